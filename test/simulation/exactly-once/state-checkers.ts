/** State is what the committed records have made of it: in each transaction, in each store, and for each handler that asks. */
import { entry, shortened, type Checker, type WorldFacts } from '../checker.ts'
import { showsFinished } from '../commit-checkers.ts'
import {
  nameOf,
  placeName,
  type Commit,
  type JournalEvent,
  type Origin,
  type PartitionPlace,
  type StateCommit,
  type StateEntry,
} from '../journal.ts'

interface Input {
  readonly offset: number
  readonly key: string | null
  /** Its handler sets state, and that counts. */
  readonly counts: boolean
  /** The greatest timestamp of it and all before it. */
  readonly streamTime: number
}

/** What stands in each partition, in offset order. */
class Inputs {
  readonly #all = new Map<string, Input[]>()
  readonly #byName = new Map<string, Input>()
  /** Gone from the input: whether it was handled before, nobody can tell. */
  readonly #removed = new Set<string>()
  readonly #thinned = new Set<string>()

  constructor(events: readonly JournalEvent[]) {
    for (const event of events) {
      if (event.type === 'removed') {
        this.#removed.add(nameOf(event))
        this.#thinned.add(placeName(event))
      }
      if (event.type !== 'input') continue
      const inputs = this.of(event)
      const { fate, key, offset, timestampMs = 0 } = event
      const streamTime = Math.max(timestampMs, inputs.at(-1)?.streamTime ?? -Infinity)
      const input = { offset, key, counts: key !== null && fate.type !== 'dead-letter', streamTime }
      inputs.push(input)
      this.#byName.set(nameOf(event), input)
    }
  }

  of(place: PartitionPlace): Input[] {
    return entry(this.#all, placeName(place), () => [])
  }

  at(origin: Origin): Input | undefined {
    return this.#byName.get(nameOf(origin))
  }

  /** Some of its records are gone. */
  isThinned(place: PartitionPlace): boolean {
    return this.#thinned.has(placeName(place))
  }

  isRemoved(origin: Origin): boolean {
    return this.#removed.has(nameOf(origin))
  }

  /** Offsets that count and are there still, by key. */
  fold({ partition, topic }: PartitionPlace, isPart: (offset: number) => boolean): Map<string, number[]> {
    const fold = new Map<string, number[]>()
    for (const { counts, key, offset } of this.of({ topic, partition })) {
      if (key === null || !counts || !isPart(offset) || this.isRemoved({ topic, partition, offset })) continue
      entry(fold, key, () => []).push(offset)
    }
    return fold
  }

  left({ partition, topic }: PartitionPlace, offsets: readonly number[]): number[] {
    return offsets.filter((offset) => !this.isRemoved({ topic, partition, offset }))
  }
}

/** What transactions have made of the state of one partition. */
class Stand {
  readonly #values = new Map<string, StateEntry>()
  readonly checkpoints = new Set<number>()

  take({ checkpoint, values }: StateCommit): void {
    if (checkpoint !== null) this.checkpoints.add(checkpoint)
    for (const each of values) this.#values.set(`${each.state} ${each.key}`, each)
  }

  handledOf(key: string): readonly number[] {
    return (this.#values.get(`handled ${key}`)?.value ?? []) as readonly number[]
  }

  recentOf(key: string): number | null {
    return (this.#values.get(`recent ${key}`)?.value ?? null) as number | null
  }

  *keys(): Generator<string> {
    for (const { key, state } of this.#values.values()) if (state === 'handled') yield key
  }

  get values(): readonly StateEntry[] {
    return [...this.#values.values()]
  }
}

/**
 * Each transaction leaves the state that the records make which its positions show as finished, each once and in order: key by
 * key, with the stream time and the number of its position.
 */
const stateIsTheFold: Checker = (events, facts) => {
  if (facts.state === undefined) return []
  const inputs = new Inputs(events)
  const stands = new Map<string, Stand>()
  const violations: string[] = []
  for (const event of events) {
    if (event.type === 'changelog')
      violations.push(
        ...differences(
          event,
          entry(stands, placeName(event), () => new Stand()),
        ),
      )
    if (event.type !== 'transaction' || event.outcome !== 'committed') continue
    const states = new Map(event.state.map((each) => [placeName(each), each]))
    for (const commit of event.commits) {
      const place = placeName(commit)
      const state = states.get(place)
      states.delete(place)
      const said = `${event.client} committed ${place} at ${commit.position}`
      if (state === undefined || state.checkpoint !== commit.checkpoint) {
        violations.push(`${said} with checkpoint ${commit.checkpoint}, and state of ${state?.checkpoint ?? 'none'}`)
        continue
      }
      const stand = entry(stands, place, () => new Stand())
      stand.take(state)
      violations.push(...problemsOf(commit, state, stand, inputs, facts.state).map((each) => `${said} with ${each}`))
    }
    for (const place of states.keys())
      violations.push(`${event.client} committed state of ${place} without its position`)
  }
  return shortened(violations)
}

function problemsOf(
  commit: Commit,
  { streamTime }: StateCommit,
  stand: Stand,
  inputs: Inputs,
  { ttlMs }: NonNullable<WorldFacts['state']>,
): string[] {
  const problems: string[] = []
  const fold = inputs.fold(commit, (offset) => offset < commit.position || showsFinished(commit, offset))
  for (const key of new Set([...fold.keys(), ...stand.keys()])) {
    const expected = fold.get(key) ?? []
    const found = inputs.left(commit, stand.handledOf(key))
    if (!areEqual(found, expected))
      problems.push(`state of ${key} that is of ${told(found)}, and ${told(expected)} are finished`)
  }
  if (inputs.isThinned(commit)) return problems
  const time = inputs.of(commit).findLast(({ offset }) => offset < commit.position)?.streamTime ?? null
  if (time !== streamTime) problems.push(`stream time ${streamTime}, and ${time} is that of its position`)
  for (const [key, offsets] of fold) {
    const last = offsets.at(-1)!
    const recent = stand.recentOf(key)
    const isOld = time !== null && time - inputs.at({ ...commit, offset: last })!.streamTime >= ttlMs
    if (recent !== last && !(isOld && recent === null))
      problems.push(`${recent} as the last of ${key}, which is ${last}`)
  }
  return problems
}

/** In the end the changelog has for each key what the transactions have left: what was compacted was none of that. */
function differences(
  { partition, topic, values }: Extract<JournalEvent, { type: 'changelog' }>,
  stand: Stand,
): string[] {
  const found = new Map(values.map(({ key, state, value }) => [`${state} ${key}`, JSON.stringify(value)]))
  return stand.values.flatMap(({ key, state, value }) => {
    const is = found.get(`${state} ${key}`) ?? 'null'
    const should = JSON.stringify(value)
    return is === should
      ? []
      : [`in the end the changelog of ${topic}/${partition} has ${is} for ${state} of ${key}, and not ${should}`]
  })
}

/** A store never says that it has come to a checkpoint that does not stand. */
const storesFollow: Checker = (events) => {
  const stands = new Map<string, Set<number>>()
  const violations: string[] = []
  for (const event of events) {
    if (event.type === 'transaction' && event.outcome === 'committed') {
      for (const { checkpoint, ...place } of event.state) {
        if (checkpoint !== null) entry(stands, placeName(place), () => new Set<number>()).add(checkpoint)
      }
    }
    // 0: nothing is in it.
    if (event.type !== 'stored' || event.checkpoint === 0) continue
    if (stands.get(placeName(event))?.has(event.checkpoint) === true) continue
    violations.push(
      `${event.client} stored checkpoint ${event.checkpoint} of ${placeName(event)}, which does not stand`,
    )
  }
  return shortened(violations)
}

/** What simulated handlers set in attempts that fail. */
const ofAFailedAttempt = -1

/** A handler finds what all earlier records of its key have made, each once: whoever handled them, and wherever. */
const handlersSeeTheFold: Checker = (events, facts) => {
  if (facts.state === undefined) return []
  const { inCalls = false, ttlMs } = facts.state
  const inputs = new Inputs(events)
  const violations: string[] = []
  for (const event of events) {
    if (event.type !== 'state-read') continue
    // Of those before it in its call nobody knows yet which have failed: behind one of them it goes again.
    if (inCalls && event.handled.includes(ofAFailedAttempt)) continue
    const key = inputs.at(event)?.key ?? null
    if (key === null || inputs.isRemoved(event)) continue
    const { offset: own } = event
    const expected = inputs.fold(event, (offset) => offset < own).get(key) ?? []
    // What is refused later counts until then.
    const found = inputs.left(event, event.handled).filter((offset) => !isGivenUp(inputs, event, offset))
    const said = `${event.client} handled ${nameOf(event)} with`
    if (!areEqual(found, expected)) violations.push(`${said} state of ${told(found)}, not ${told(expected)}`)
    const last = event.handled.at(-1)
    if (last === undefined || inputs.isThinned(event)) continue
    const before = inputs.at({ ...event, offset: last })
    const isOld = before !== undefined && inputs.at(event)!.streamTime - before.streamTime >= ttlMs
    const recent = isOld ? null : last
    if (event.recent !== recent) violations.push(`${said} ${event.recent} as the last, not ${recent}`)
  }
  return shortened(violations)
}

function isGivenUp(inputs: Inputs, { partition, topic }: PartitionPlace, offset: number): boolean {
  return inputs.at({ topic, partition, offset })?.counts === false
}

function areEqual(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((each, at) => each === other[at])
}

function told(offsets: readonly number[]): string {
  return offsets.length === 0 ? 'nothing' : offsets.slice(-8).join(' ')
}

/** Nobody finds a position without its state: what a checkpoint leaves can always be gone on from. */
const stateIsFound: Checker = (events) =>
  shortened(
    events.flatMap((event) =>
      event.type === 'ended' && stateErrors.has(event.code ?? '')
        ? [`${event.client} has ended with ${event.code}`]
        : [],
    ),
  )

const stateErrors: ReadonlySet<string> = new Set(['CHANGELOG_LOST', 'CHANGELOG_UNREADABLE', 'STATE_CHANGED'])

export const stateCheckers: Readonly<Record<string, Checker>> = {
  stateIsTheFold,
  storesFollow,
  handlersSeeTheFold,
  stateIsFound,
}
