/** Keeps a pipeline under load: there are always about so many records that no member has handled. */
import { setTimeout as sleep } from 'node:timers/promises'
import { keyed, type CopyFlow } from './copy-flow.ts'

export interface LoadOptions {
  /** Default 2,000. */
  readonly ahead?: number
  /** Work of each record, in ms. Default 0.2. */
  readonly workMs?: number
  readonly keys?: number
  /** What else the record with this number says. */
  readonly more?: (n: number) => object
  /** No more than so many in all; a multiple of 500. */
  readonly most?: number
  /** Brokers may be away: what cannot be put is left out. */
  readonly isTolerant?: boolean
}

const CHUNK = 500
const INTERVAL_MS = 30

export class Load {
  readonly #flow: CopyFlow
  readonly #options: LoadOptions
  readonly #running: Promise<void>
  #produced = 0
  #isOver = false

  constructor(flow: CopyFlow, options: LoadOptions = {}) {
    this.#flow = flow
    this.#options = options
    this.#running = this.#run()
    // Whoever ends the load is told.
    this.#running.catch(() => undefined)
  }

  /** Waits until this many more inputs have an output. */
  async progress(count: number, timeoutMs = 120_000): Promise<void> {
    await this.#flow.handled((await this.#flow.countHandled()) + count, timeoutMs)
  }

  /** Puts no more, and waits until all but the killers has come out. Returns how many went in. */
  async end(timeoutMs = 120_000): Promise<number> {
    this.#isOver = true
    await this.#running
    const count = await this.#flow.countInputs()
    const killers = await this.#flow.readKillers()
    await this.#flow.handled(count - killers.size, timeoutMs)
    return count
  }

  /** Puts no more. */
  async cancel(): Promise<void> {
    this.#isOver = true
    await this.#running.catch(() => undefined)
  }

  async #run(): Promise<void> {
    const {
      ahead = 2_000,
      workMs = 0.2,
      keys = 97,
      more = () => ({}),
      most = Infinity,
      isTolerant = false,
    } = this.#options
    while (!this.#isOver) {
      if (this.#produced < most && this.#produced - (await this.#flow.countHandled()) < ahead) {
        const records = keyed(CHUNK, (n) => ({ workMs, ...more(n) }), keys, this.#produced)
        this.#produced += CHUNK
        try {
          await this.#flow.put(records)
        } catch (error) {
          if (!isTolerant) throw error
          this.#produced -= CHUNK
        }
      }
      await sleep(INTERVAL_MS)
    }
  }
}
