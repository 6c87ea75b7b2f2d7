/**
 * What an epoch that begins again in memory takes over from the one before: what that one still held, and what it knew of the
 * rest. All else that it had read is finished, or does not exist: the next maps have to say so, or the next owner would
 * handle it again.
 */
import type { PartitionState } from '../state/partition-state.ts'
import type { SourceRecord } from '../streams/record.ts'
import type { Refusals } from '../streams/delivery/delivery.ts'
import type { HaltedRecord } from './actor-load.ts'
import type { InputProgress } from './input-progress.ts'
import type { PartitionActor } from './partition-actor.ts'

export interface Legacy {
  /** null: it ran. Halted, it had dropped what was not started, so nobody can go on with that but the next owner. */
  readonly halt: HaltedRecord | null
  /** Oldest first. */
  readonly records: readonly SourceRecord[]
  /** What they take of the intake's budget. */
  readonly bytes: number
  /** Nothing below this is still to come; null: nothing was read, and nothing known. */
  readonly readTo: number | null
  /** Where the log ended when it was last told; 0: it was not. */
  readonly endMet: number
  readonly state: PartitionState | null
  /** What it gave up of them: not yet on record, and forgotten it would be handled again. */
  readonly refusals: Refusals
}

export function legacyOf({ halt, refusals, state }: PartitionActor, input: InputProgress): Legacy {
  const { endMet, held, tracker } = input
  const records = held.records()
  const ids = refusals === null ? new Set<string>() : held.ids()
  const open = new Map([...(refusals ?? [])].filter(([id]) => ids.has(id)))
  return { halt, records, bytes: held.bytes, readTo: tracker.frontier, endMet, state, refusals: open }
}

/** `actor` has begun at the last checkpoint, and has read nothing itself. `legacies`: of its inputs, in their order. */
export function inherit(actor: PartitionActor, legacies: readonly Legacy[]): void {
  const halt = legacies.find((each) => each.halt !== null)?.halt ?? null
  if (halt !== null) {
    actor.haltOn(halt)
    return
  }
  for (const { at, run } of byTime(legacies)) {
    const input = actor.inputs[at]!
    pass(actor, input, run[0]!.offset, legacies[at]!)
    actor.admit(run)
  }
  for (const [at, legacy] of legacies.entries()) {
    const input = actor.inputs[at]!
    const { endMet, readTo } = legacy
    if (readTo !== null) pass(actor, input, readTo, legacy)
    // Told once only.
    if (endMet > 0) actor.noteEnd({ topic: input.topic, position: endMet })
  }
}

/** Records that follow each other in their input, of several inputs in the order of their times: of the same time a companion's first. */
function* byTime(
  legacies: readonly Legacy[],
): Generator<{ readonly at: number; readonly run: readonly SourceRecord[] }> {
  const next = legacies.map(() => 0)
  for (;;) {
    let first: number | null = null
    for (const [at, { records }] of legacies.entries()) {
      const record = records[next[at]!]
      const before = first === null ? null : legacies[first]!.records[next[first]!]!
      if (record !== undefined && (before === null || record.timestamp <= before.timestamp)) first = at
    }
    if (first === null) return
    const { records } = legacies[first]!
    const from = next[first]!
    let to = from + 1
    // Of one input alone a run goes as far as its offsets do.
    while (legacies.length === 1 && to < records.length && records[to]!.offset === records[to - 1]!.offset + 1) to += 1
    next[first] = to
    yield { at: first, run: records.slice(from, to) }
  }
}

function pass(actor: PartitionActor, { topic, tracker }: InputProgress, position: number, legacy: Legacy): void {
  if (!tracker.passTo(position)) return
  const time = legacy.state?.hasRowsOf(topic) === true ? null : (legacy.state?.timeAt(position, topic) ?? null)
  if (time !== null) actor.notePassed(position, time, topic)
}
