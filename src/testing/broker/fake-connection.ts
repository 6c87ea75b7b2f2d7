/**
 * The way between one client and the brokers: requests arrive in the order they were sent, after a
 * latency each. What was sent arrives even if its process is killed meanwhile; the reply then finds
 * nobody.
 */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { FakeFaults } from './fake-faults.ts'
import type { Random } from '../random.ts'

/** Milliseconds, or a range of which each use draws one. */
export type Latency = number | readonly [lowMs: number, highMs: number]

/** Sixteenths of a millisecond: exact beside a time since 1970, so that equal times compare as equal. */
export function drawLatencyMs(latency: Latency, random: Random): number {
  if (typeof latency === 'number') return latency
  return random.integer(latency[0] * 16, latency[1] * 16) / 16
}

export interface FakeConnectionOptions {
  /** The brokers' own time. */
  readonly brokerClock: Clock
  /** The time of the client's process. */
  readonly clientClock: Clock
  readonly latency: Latency
  readonly random: Random
  readonly faults: FakeFaults
  /** The client's process is gone: what it would do next never happens. */
  readonly isGone: () => boolean
}

export class FakeConnection {
  readonly #options: FakeConnectionOptions
  readonly #requests = new InOrder()
  readonly #replies = new InOrder()

  constructor(options: FakeConnectionOptions) {
    this.#options = options
  }

  /** `serve` runs at the broker, `reply` at the client with what it returned. */
  request<Answer>(serve: () => Answer, reply?: (answer: Answer) => void): void {
    const { brokerClock, isGone } = this.#options
    if (isGone()) return
    this.#requests.schedule(brokerClock, this.#draw(), () => {
      const answer = serve()
      if (reply === undefined) return
      this.tell(() => {
        reply(answer)
      })
    })
  }

  /** A question that may fail: rejects with what `serve` throws, and with BROKER_UNREACHABLE while the brokers are away. */
  ask<Answer>(serve: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.request(
        () => {
          try {
            if (this.#options.faults.areBrokersAway) throw unreachable()
            return { value: serve() }
          } catch (error) {
            return { error: error as Error }
          }
        },
        (answer) => {
          if (answer.error === undefined) resolve(answer.value)
          else reject(answer.error)
        },
      )
    })
  }

  /** Something the broker tells on its own, or after having thought. */
  tell(reply: () => void): void {
    this.#replies.schedule(this.#options.clientClock, this.#draw(), reply)
  }

  #draw(): number {
    return drawLatencyMs(this.#options.latency, this.#options.random)
  }
}

function unreachable(): TroupeError {
  return new TroupeError('BROKER_UNREACHABLE', 'no broker answered (a fault of the test)')
}

/** Runs things one after the other though each draws its own latency, as one socket does. */
class InOrder {
  readonly #waiting: (() => void)[] = []
  #lastAtMs = 0

  schedule(clock: Clock, latencyMs: number, work: () => void): void {
    const now = clock.now()
    this.#lastAtMs = Math.max(this.#lastAtMs, now + latencyMs)
    this.#waiting.push(work)
    clock.after(this.#lastAtMs - now, () => {
      this.#waiting.shift()?.()
    })
  }
}
