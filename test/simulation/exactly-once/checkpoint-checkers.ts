/** What exactly-once adds to the promises: each output once, and each checkpoint the whole of what its positions show. */
import { entry, shortened, type Checker } from '../checker.ts'
import { showsFinished } from '../commit-checkers.ts'
import {
  nameOf,
  outputName,
  placeName,
  type Commit,
  type Fate,
  type JournalEvent,
  type Origin,
  type OutputName,
} from '../journal.ts'
import { VoidOutcomes } from '../void-outcomes.ts'

/** Rows are at least once. */
const TABLE = 'table'

/** Who reads what is committed sees each output once, and never a dead letter beside outputs. */
const outputsAreOnce: Checker = (events) => {
  const seen = new Set<string>()
  const kinds = new Map<string, 'dead-letter' | 'outputs'>()
  const violations: string[] = []
  for (const event of events) {
    if (event.type !== 'durable' || event.sink === TABLE) continue
    const name = outputName(event.output)
    if (seen.has(name)) violations.push(`${event.client} repeated ${name}`)
    seen.add(name)
    const origin = nameOf(event.output.origin)
    const kind = event.output.index === 'dead-letter' ? 'dead-letter' : 'outputs'
    if (entry(kinds, origin, () => kind) !== kind) violations.push(`${origin} has outputs and a dead letter`)
  }
  return shortened(violations)
}

/**
 * The records that a transaction's positions newly show as finished are those whose outputs it has, with all of them;
 * their rows are in the table by then. And nothing is committed, or written to a topic, outside a transaction.
 */
const checkpointsAreWhole: Checker = (events) => {
  const inputs = new Map<string, Map<number, Fate>>()
  const stands = new Map<string, Commit>()
  const rows = new Map<string, Set<string>>()
  /** Gone from the input while they were handled: whether they are finished, no position says. */
  const removed = new Set<string>()
  const violations: string[] = []
  for (const event of events) {
    if (event.type === 'input')
      entry(inputs, placeName(event), () => new Map<number, Fate>()).set(event.offset, event.fate)
    if (event.type === 'removed') {
      inputs.get(placeName(event))?.delete(event.offset)
      removed.add(nameOf(event))
    }
    if (event.type === 'durable' && event.sink === TABLE) noteRow(rows, event.output)
    if (event.type !== 'transaction' || event.outcome !== 'committed') continue
    const written = new Map<string, OutputName[]>()
    for (const output of event.outputs) entry(written, nameOf(output.origin), () => []).push(output)
    const finished = new Set<string>()
    for (const commit of event.commits) {
      const place = placeName(commit)
      for (const [offset, fate] of inputs.get(place) ?? []) {
        if (!isFinished(commit, offset) || isFinished(stands.get(place), offset)) continue
        const origin: Origin = { topic: commit.topic, partition: commit.partition, offset }
        const name = nameOf(origin)
        finished.add(name)
        const problem = lacks(fate, written.get(name) ?? [], rows.get(name)?.size ?? 0)
        if (problem !== null) violations.push(`${event.client} committed ${name} as finished without ${problem}`)
      }
      stands.set(place, commit)
    }
    for (const name of written.keys()) {
      if (!finished.has(name) && !removed.has(name))
        violations.push(`${event.client} committed outputs of ${name}, and not that it is finished`)
    }
  }
  return shortened([...violations, ...outside(events)])
}

function noteRow(rows: Map<string, Set<string>>, output: OutputName): void {
  entry(rows, nameOf(output.origin), () => new Set<string>()).add(outputName(output))
}

function isFinished(commit: Commit | undefined, offset: number): boolean {
  return commit !== undefined && (offset < commit.position || showsFinished(commit, offset))
}

function lacks(fate: Fate, written: readonly OutputName[], rowCount: number): string | null {
  switch (fate.type) {
    case 'skip':
      return null
    case 'dead-letter':
      return written.some(({ index }) => index === 'dead-letter') ? null : 'its dead letter'
    case 'outputs':
      return written.length + rowCount >= fate.count ? null : `${fate.count - written.length - rowCount} of its outputs`
  }
}

/** Each durable output and each commit belongs to the transaction before it. */
function outside(events: readonly JournalEvent[]): string[] {
  const violations: string[] = []
  let outputs = new Set<string>()
  let commits = new Set<string>()
  for (const event of events) {
    if (event.type === 'transaction') {
      outputs = new Set(event.outputs.map(outputName))
      commits = new Set(event.commits.map(placeName))
    } else if (event.type === 'durable' && event.sink !== TABLE && !outputs.delete(outputName(event.output))) {
      violations.push(`${event.client} wrote ${outputName(event.output)} outside a transaction`)
    } else if (event.type === 'committed' && !commits.delete(placeName(event))) {
      violations.push(`${event.client} committed ${placeName(event)} outside a transaction`)
    }
  }
  return violations
}

/**
 * Where nothing but clean stops and hand-overs happened, no record is handled twice, unless partitions were set back, its thread
 * has ended, or its outcome counted for nothing.
 */
const calmHandlesOnce: Checker = (events, facts) => {
  // What is refused for good sets its partition back, or has its next owner begin at the last checkpoint.
  if (!facts.isCalm || events.some(({ type }) => type === 'rewound')) return []
  const voids = new VoidOutcomes(facts)
  const handled = new Map<string, Set<string>>()
  const violations: string[] = []
  for (const event of events) {
    voids.note(event)
    if (event.type === 'lost') for (const each of event.records) handled.get(placeName(each))?.delete(nameOf(each))
    if (event.type !== 'handle-end' || (event.result !== 'done' && event.result !== 'skip')) continue
    if (voids.has(event)) continue
    const names = entry(handled, placeName(event), () => new Set<string>())
    if (names.has(nameOf(event))) violations.push(`${event.client} handled ${nameOf(event)} again`)
    names.add(nameOf(event))
  }
  return shortened(violations)
}

/** Nobody gives a partition back, nor leaves, while a transaction with its position is open: none is decided afterwards. */
const revokesWait: Checker = (events) => {
  const givenBack = new Set<string>()
  const violations: string[] = []
  for (const event of events) {
    if (event.type === 'assigned')
      for (const start of event.starts) givenBack.delete(`${event.client} ${placeName(start)}`)
    if (event.type === 'fenced' && event.isAnswer === true)
      for (const each of event.partitions) givenBack.add(`${event.client} ${placeName(each)}`)
    if (event.type !== 'transaction') continue
    for (const { position, ...place } of event.commits) {
      if (givenBack.has(`${event.client} ${placeName(place)}`))
        violations.push(
          `${event.client} gave ${placeName(place)} back, and ${position} of it was ${event.outcome} after that`,
        )
    }
  }
  return shortened(violations)
}

export const exactlyOnceCheckers: Readonly<Record<string, Checker>> = {
  outputsAreOnce,
  checkpointsAreWhole,
  calmHandlesOnce,
  revokesWait,
}
