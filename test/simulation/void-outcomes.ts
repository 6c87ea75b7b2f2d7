/**
 * What a call of several records says of one counts for nothing where state is kept and an earlier one of its key has failed in
 * it: it has seen what does not count. Such a record goes again, and so does what is behind it in its lane.
 */
import type { WorldFacts } from './checker.ts'
import { nameOf, placeName, type JournalEvent } from './journal.ts'

type Handling = Extract<JournalEvent, { type: 'handle-begin' | 'handle-end' }>

export class VoidOutcomes {
  readonly #facts: WorldFacts
  readonly #keys = new Map<string, string | null>()
  /** Keys and lanes of a call of which nothing more counts. */
  readonly #failed = new Set<string>()
  readonly #void = new Set<string>()

  constructor(facts: WorldFacts) {
    this.#facts = facts
  }

  /** Takes note of all events in their order. */
  note(event: JournalEvent): void {
    if (event.type === 'input') this.#keys.set(nameOf(event), event.key)
    if (event.type !== 'handle-begin' && event.type !== 'handle-end') return
    const key = this.#keys.get(nameOf(event)) ?? null
    if (this.#facts.state === undefined || event.call === undefined || key === null) return
    const call = callOf(event)
    const isVoid = this.#failed.has(`${call} key ${key}`) || this.#failed.has(call)
    if (isVoid) this.#void.add(`${call} ${event.offset}`)
    if (isVoid && this.#facts.order === 'partition') this.#failed.add(call)
    const hasFailed = event.type === 'handle-end' && event.result !== 'done' && event.result !== 'skip'
    if (hasFailed) this.#failed.add(`${call} key ${key}`)
  }

  /** Of one that was noted. */
  has(event: Handling): boolean {
    return this.#void.has(`${callOf(event)} ${event.offset}`)
  }
}

function callOf(event: Handling): string {
  return `${event.client} batch ${event.batch ?? 'none'} call ${event.call ?? 'none'} ${placeName(event)}`
}
