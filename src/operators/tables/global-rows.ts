/** The rows of global tables in this process: one copy of a topic, whoever looks things up in it, as somebody else reads it. */
import type { StateStore } from '../../state/store.ts'

/** Of one topic. */
export interface GlobalTopic {
  readonly name: string
  /** Bytes by the bytes of keys; null: it is not read yet. */
  rows: Pick<StateStore, 'get'> | null
  /** Each of them throws for a row that it cannot read. */
  readonly checks: ((value: Uint8Array) => void)[]
}

export class GlobalRows {
  readonly #topics = new Map<string, GlobalTopic>()

  /** Somebody looks things up in it. */
  open(name: string, check: (value: Uint8Array) => void): GlobalTopic {
    let topic = this.#topics.get(name)
    if (topic === undefined) this.#topics.set(name, (topic = { name, rows: null, checks: [] }))
    topic.checks.push(check)
    return topic
  }

  get topics(): readonly GlobalTopic[] {
    return [...this.#topics.values()]
  }
}
