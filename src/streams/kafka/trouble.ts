/** What clients complain about, told once and not ten times a second. */
import type { Clock } from '../../clock.ts'
import type { BrokerTrouble } from '../broker-port.ts'
import type { NativeError, NativeLogEvent } from './native.ts'

type LogSink = (level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string) => void

/** The same trouble is told again only after this long. */
const REPEAT_AFTER_MS = 30_000

/** Lets each thing through once per interval and counts what it held back. */
export class Debounce {
  readonly #told = new Map<string, { at: number; heldBack: number }>()

  /** Number of times `key` was held back since it was last told; undefined when it is to be held back now. */
  admit(key: string, now: number): number | undefined {
    const told = this.#told.get(key)
    if (told !== undefined && now - told.at < REPEAT_AFTER_MS) {
      told.heldBack += 1
      return undefined
    }
    if (this.#told.size > 1000) this.#told.clear()
    this.#told.set(key, { at: now, heldBack: 0 })
    return told?.heldBack ?? 0
  }

  /** The trouble is over: the next one is told at once. */
  forget(key: string): void {
    this.#told.delete(key)
  }
}

/** Forwards the client's log lines: warnings and worse, each facility at most once per interval, the rest as debug. */
export class ClientLog {
  readonly #log: LogSink
  readonly #client: string
  readonly #clock: Clock
  readonly #debounce = new Debounce()

  constructor(log: LogSink, client: string, clock: Clock) {
    this.#log = log
    this.#clock = clock
    this.#client = client
  }

  note(event: NativeLogEvent): void {
    // A producer that is dropped on purpose says that it drops something, and the stop at a refused batch is our own.
    const isIntended = event.fac === 'TERMINATE' || /gap-less/i.test(event.message)
    const serious = event.severity <= 4 && !isIntended
    const heldBack = serious ? this.#debounce.admit(event.fac, this.#clock.now()) : undefined
    const fields = { client: this.#client, fac: event.fac, ...(heldBack ? { heldBack } : {}) }
    this.#log(heldBack === undefined ? 'debug' : 'warn', fields, event.message)
  }
}

/** What an `event.error` of a running client means for an operator; the client gives its text only. */
export function troubleOf(error: NativeError): BrokerTrouble {
  const message = error.message
  if (/authentication/i.test(message)) return { severity: 'warning', code: 'BROKER_AUTHENTICATION', message }
  if (/SSL|TLS/i.test(message)) return { severity: 'warning', code: 'BROKER_TLS', message }
  if (/authorization/i.test(message)) return { severity: 'warning', code: 'NOT_AUTHORIZED', message }
  return { severity: 'warning', code: 'BROKER_UNREACHABLE', message }
}
