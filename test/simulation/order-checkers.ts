/** What must hold of order: within lanes, in sinks, and at the end of an epoch. */
import { entry, shortened, type Checker, type WorldFacts } from './checker.ts'
import {
  nameOf,
  outputName,
  placeName,
  type JournalEvent,
  type Origin,
  type OutputName,
  type PartitionPlace,
} from './journal.ts'
import { VoidOutcomes } from './void-outcomes.ts'

/**
 * Within an epoch the records of a lane are handled one at a time in offset order, retries included (those whose outcomes count
 * for nothing go again, each in its turn); no record is in two handlers, unless the earlier call has ignored its abort signal for another `handlerTimeoutMs`.
 */
export const handlingIsOrdered: Checker = (events, facts) => {
  const epochs = new Epochs()
  const voids = new VoidOutcomes(facts)
  const keys = new Map<string, string | null>()
  const lanes = new Map<string, LaneState>()
  const violations: string[] = []
  const laneIn = (client: string, record: Handled): string =>
    `${client} epoch ${epochs.ofHandling(client, record).epoch} ${laneOf(record, keys, facts)}`
  for (const event of events) {
    epochs.note(event)
    voids.note(event)
    if (event.type === 'input') keys.set(nameOf(event), event.key)
    if (event.type === 'lost') {
      for (const record of event.records) {
        const at = lanes.get(laneIn(event.client, record))
        if (at !== undefined) at.offset = Math.min(at.offset, record.offset - 1)
      }
    }
    if (event.type !== 'handle-begin' && event.type !== 'handle-end') continue
    const lane = laneIn(event.client, event)
    const at = entry(lanes, lane, () => ({ offset: -1, attempt: 0, sinceMs: 0, isBusy: false }))
    if (event.type === 'handle-end') {
      if (event.offset === at.offset && event.attempt === at.attempt) at.isBusy = false
      continue
    }
    if (at.isBusy && event.atMs - at.sinceMs < 2 * facts.handlerTimeoutMs) {
      violations.push(`${nameOf(event)} began while ${at.offset} of the same lane was at a handler (${lane})`)
    }
    if (event.offset < at.offset)
      violations.push(`${nameOf(event)} was handled after ${at.offset} of its lane (${lane})`)
    if (!epochs.ofHandling(event.client, event).isOwned) {
      violations.push(`${nameOf(event)} began in ${event.client}, which does not own its partition`)
    }
    if (voids.has(event)) continue
    lanes.set(lane, { offset: event.offset, attempt: event.attempt, sinceMs: event.atMs, isBusy: true })
  }
  return shortened(violations)
}

interface LaneState {
  offset: number
  readonly attempt: number
  readonly sinceMs: number
  isBusy: boolean
}

/**
 * Outputs keep the order of their lane. Repeats are a stretch, in order: at their first appearance the
 * outputs of a lane stand in order in each sink; and what one epoch writes again, it writes from
 * there on without leaving any out.
 */
export const outputsAreOrdered: Checker = (events, facts) => {
  const epochs = new Epochs()
  const keys = new Map<string, string | null>()
  const seen = new Set<string>()
  const highest = new Map<string, OutputName>()
  const stretches = new Map<string, Stretch>()
  const writtenIn = new Map<string, number>()
  // Retention lets a later owner pass what an earlier one still holds.
  const removed = new Set(events.flatMap((event) => (event.type === 'removed' ? [nameOf(event)] : [])))
  const violations: string[] = []
  for (const event of events) {
    epochs.note(event)
    if (event.type === 'input') keys.set(nameOf(event), event.key)
    if (event.type === 'write') {
      for (const { origin } of event.outputs) {
        writtenIn.set(`${event.client} ${nameOf(origin)}`, epochs.of(event.client, origin))
      }
    }
    if (event.type !== 'durable' || event.output.index === 'dead-letter') continue
    const { origin } = event.output
    const lane = `${event.sink} ${laneOf(origin, keys, facts)}`
    const name = `${event.sink} ${outputName(event.output)}`
    const before = highest.get(lane)
    const isFirst = !seen.has(name) && !removed.has(nameOf(origin))
    if (isFirst && before !== undefined && compare(event.output, before) < 0) {
      violations.push(`${outputName(event.output)} came after ${outputName(before)} (${lane})`)
    }
    seen.add(name)
    if (before === undefined || compare(event.output, before) > 0) highest.set(lane, event.output)
    const epoch = writtenIn.get(`${event.client} ${nameOf(origin)}`) ?? 0
    const stretch = entry(stretches, `${event.client} epoch ${epoch} ${lane}`, () => new Stretch())
    const skipped = stretch.note(event.output)
    if (skipped !== null) {
      violations.push(
        `${event.client} repeated ${lane} and left out ${outputName(skipped)} before ${outputName(event.output)}`,
      )
    }
  }
  return shortened(violations)
}

/** What one epoch wrote of one lane to one sink, in order; repeats begin anywhere and go on without a hole. */
class Stretch {
  readonly #written: OutputName[] = []
  #at = -1

  /** Returns the output that was left out; null: none. */
  note(output: OutputName): OutputName | null {
    const known = this.#written.findIndex((each) => compare(each, output) === 0)
    if (known === -1) {
      // Something new comes after all that was written: a repeat has to have caught up.
      const missing = this.#at < this.#written.length - 1 ? this.#written[this.#at + 1]! : null
      this.#written.push(output)
      this.#at = this.#written.length - 1
      return missing
    }
    const missing = known > this.#at + 1 ? this.#written[this.#at + 1]! : null
    this.#at = known
    return missing
  }
}

/** No output is written after the epoch that it was handled in has ended. */
export const fencedWritesNothing: Checker = (events) => {
  const epochs = new Epochs()
  const handledIn = new Map<string, number>()
  const violations: string[] = []
  for (const event of events) {
    epochs.note(event)
    if (event.type === 'handle-begin') {
      const name = `${event.client} ${nameOf(event)}`
      // On a thread an attempt of an earlier epoch may begin after one of a later.
      handledIn.set(name, Math.max(handledIn.get(name) ?? 0, epochs.ofHandling(event.client, event).epoch))
    }
    if (event.type !== 'write') continue
    for (const output of event.outputs) {
      const epoch = handledIn.get(`${event.client} ${nameOf(output.origin)}`)
      const isCurrent = epochs.isOwned(event.client, output.origin) && epochs.of(event.client, output.origin) === epoch
      // What cannot be decoded is dead-lettered and never comes to a handler.
      const isUnhandled = epoch === undefined && output.index === 'dead-letter'
      if (isCurrent || (isUnhandled && epochs.isOwned(event.client, output.origin))) continue
      violations.push(`${event.client} wrote ${outputName(output)} to ${event.sink} after its epoch had ended`)
    }
  }
  return shortened(violations)
}

type Handled = Origin & { readonly batch?: number }

interface Epoch {
  readonly epoch: number
  readonly isOwned: boolean
}

/** Which epoch a client has of a partition: counted by its assignments. */
export class Epochs {
  readonly #counts = new Map<string, number>()
  /** By client, batch and partition: how it stood when the batch was handed over. */
  readonly #batches = new Map<string, Epoch>()
  readonly #owned = new Set<string>()

  note(event: JournalEvent): void {
    if (event.type === 'assigned') {
      for (const start of event.starts) {
        const name = `${event.client} ${placeName(start)}`
        this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
        this.#owned.add(name)
      }
    } else if (event.type === 'fenced') {
      for (const partition of event.partitions) this.#owned.delete(`${event.client} ${placeName(partition)}`)
    } else if (event.type === 'rewound') {
      const name = `${event.client} ${placeName(event)}`
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    } else if (event.type === 'handed') {
      for (const record of event.records) {
        const epoch = { epoch: this.of(event.client, record), isOwned: this.isOwned(event.client, record) }
        this.#batches.set(`${event.client} batch ${event.batch} ${placeName(record)}`, epoch)
      }
    }
  }

  of(client: string, place: PartitionPlace): number {
    return this.#counts.get(`${client} ${placeName(place)}`) ?? 0
  }

  /** The epoch for which a record is at a handler: on a thread, that in which its batch was handed over. */
  ofHandling(client: string, record: Handled): Epoch {
    const { batch } = record
    const now = { epoch: this.of(client, record), isOwned: this.isOwned(client, record) }
    if (batch === undefined) return now
    return this.#batches.get(`${client} batch ${batch} ${placeName(record)}`) ?? now
  }

  isOwned(client: string, place: PartitionPlace): boolean {
    return this.#owned.has(`${client} ${placeName(place)}`)
  }
}

/** What shares an order with what. Records without a key, and all where nothing is ordered, have a lane each. */
function laneOf(origin: Origin, keys: ReadonlyMap<string, string | null>, { order }: WorldFacts): string {
  const place = placeName(origin)
  if (order === 'partition') return place
  const key = order === 'key' ? (keys.get(nameOf(origin)) ?? null) : null
  return key === null ? `${place} offset ${origin.offset}` : `${place} key ${key}`
}

function compare(one: OutputName, other: OutputName): number {
  const byOffset = one.origin.offset - other.origin.offset
  return byOffset === 0 ? Number(one.index) - Number(other.index) : byOffset
}
