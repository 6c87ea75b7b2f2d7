/** One way between two threads: what is sent arrives in its order, each after a while of its own. */
import type { Clock } from '../../../src/clock.ts'
import type { Random } from '../../../src/testing/random.ts'

export class Link<Message> {
  readonly #clock: Clock
  readonly #random: Random
  readonly #latencyMs: readonly [number, number]
  readonly #deliver: (message: Message) => void
  readonly #underway: Message[] = []
  #lastAtMs = 0

  /** `clock`: that of whoever receives. What is on its way when that ends never arrives. */
  constructor(clock: Clock, random: Random, latencyMs: readonly [number, number], deliver: (message: Message) => void) {
    this.#clock = clock
    this.#random = random
    this.#latencyMs = latencyMs
    this.#deliver = deliver
  }

  send(message: Message): void {
    const [least, most] = this.#latencyMs
    const nowMs = this.#clock.now()
    this.#lastAtMs = Math.max(this.#lastAtMs, nowMs + least + this.#random.next() * (most - least))
    this.#underway.push(message)
    this.#clock.after(this.#lastAtMs - nowMs, () => {
      this.#deliver(this.#underway.shift()!)
    })
  }
}
