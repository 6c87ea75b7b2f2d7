/** Somebody who produces clicks while a test goes on: its own client, its own pace. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeClicks } from '../../examples/clicks/fake-clicks.ts'
import type { KafkaProbe, NewRecord } from './kafka-probe.ts'

const BATCH = 100
/** Some two thousand clicks a second: less than is handled, so that whatever happens, happens in the middle. */
const PAUSE_MS = 50

export class ClickSource {
  #isProducing = true
  #produced = 0
  readonly #done: Promise<void>

  /** Begins to produce to `user_clicks`, a twentieth of it broken. */
  constructor(probe: KafkaProbe) {
    this.#done = this.#produce(probe)
    // A failure is told by `stop()`.
    this.#done.catch(() => undefined)
  }

  /** Resolves to the number of clicks produced, when the last one is in the topic. */
  async stop(): Promise<number> {
    this.#isProducing = false
    await this.#done
    return this.#produced
  }

  async #produce(probe: KafkaProbe): Promise<void> {
    const makeClick = createFakeClicks({ seed: 7, brokenShare: 0.05, now: Date.now })
    while (this.#isProducing) {
      const batch = Array.from({ length: BATCH }, (): NewRecord => {
        const { key, value, headers } = makeClick()
        return { key, value, headers: listHeaders(headers) }
      })
      await probe.produceAll('user_clicks', batch)
      this.#produced += BATCH
      await sleep(PAUSE_MS)
    }
  }
}

function listHeaders(headers: Readonly<Record<string, string | string[]>>): (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const))
}
