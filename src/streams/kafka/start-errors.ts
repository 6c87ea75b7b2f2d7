/**
 * Why a client does not get its first answer. Its error says "broker transport failure" for a wrong
 * password, a wrong CA and a dead host alike; the cause stands only in its log, so that is read.
 */
import { TroupeError } from '../../errors.ts'
import type { NativeLogEvent } from './native.ts'

type StartErrorCode = 'BROKER_UNREACHABLE' | 'BROKER_AUTHENTICATION' | 'BROKER_TLS' | 'BROKER_PROTOCOL'

export interface StartFailure {
  readonly code: StartErrorCode
  /** `host:port`, when the log names it. */
  readonly broker: string | undefined
  /** The client's words, without its prefixes. */
  readonly detail: string
  /** A second such line means that waiting is of no use. */
  readonly isCertain: boolean
}

interface Pattern {
  readonly code: StartErrorCode
  readonly text: RegExp
  /** False when a broker that is still starting says the same. */
  readonly isCertain: boolean
}

/**
 * What the client's log says, in the order in which it is looked at: a TLS failure may also say
 * "Disconnected", and an authentication failure over TLS names the TLS listener.
 */
const patterns: readonly Pattern[] = [
  { code: 'BROKER_PROTOCOL', text: /PLAINTEXT broker listener|not valid in current SASL state/i, isCertain: true },
  { code: 'BROKER_PROTOCOL', text: /wrong version number|unknown protocol|packet length too long/i, isCertain: true },
  { code: 'BROKER_PROTOCOL', text: /incorrect security\.protocol|connecting to a SSL listener/i, isCertain: true },
  { code: 'BROKER_PROTOCOL', text: /Invalid response size/i, isCertain: true },
  // Without TLS a listener hangs up during the handshake; at times the client says no more of it than this.
  { code: 'BROKER_PROTOCOL', text: /Disconnected: SSL connection closed/i, isCertain: false },
  { code: 'BROKER_TLS', text: /SSL|certificate|tlsv1|x509/i, isCertain: true },
  { code: 'BROKER_AUTHENTICATION', text: /SASL|authenticat|oauthbearer|oidc|token/i, isCertain: true },
  // Listeners for TLS or SASL hang up at the first request that is neither.
  { code: 'BROKER_PROTOCOL', text: /Disconnected/i, isCertain: false },
  { code: 'BROKER_UNREACHABLE', text: /Connect to|Failed to resolve|timed out|refused|unreachable/i, isCertain: false },
]

const facilities = new Set(['FAIL', 'SSL', 'OIDC', 'SASL', 'ERROR', 'CERTVERIFY'])

/** What a log line says about the connection; undefined when it says nothing about it. */
export function classifyStartLog(event: NativeLogEvent): StartFailure | undefined {
  if (!facilities.has(event.fac)) return undefined
  const detail = withoutPrefixes(event.message)
  // "2/2 brokers are down" sums up what other lines said.
  if (/brokers are down/i.test(detail)) return undefined
  const pattern = patterns.find(({ text }) => text.test(detail))
  if (pattern === undefined) return undefined
  return { code: pattern.code, broker: brokerIn(event.message), detail, isCertain: pattern.isCertain }
}

/** `[thrd:sasl_ssl://h:9093/bootstrap]: sasl_ssl://h:9093/bootstrap: Text (after 5ms in state X, …)` → `Text`. */
function withoutPrefixes(message: string): string {
  return message
    .replace(/^\[thrd:[^\]]*\]:\s*/, '')
    .replace(/^\S+:\d+\/\S+:\s*/, '')
    .replace(/\s*\(after \d+ms in state .*\)$/, '')
    .replace(/: broker's supported mechanisms:\s*$/, '')
    .trim()
}

function brokerIn(message: string): string | undefined {
  return /(?:[a-z_]+:\/\/)?(\[[0-9a-f:]+\]|[\w.-]+):(\d+)\/(?:bootstrap|\d+)/i.exec(message)?.slice(1, 3).join(':')
}

/** One refusal may come from a broker that has not loaded its users yet. */
const CERTAIN_AFTER = 2
/** Brokers that are starting refuse connections for some seconds. */
const UNCERTAIN_AFTER_MS = 5000

/** The most telling first. */
const reasons = ['BROKER_AUTHENTICATION', 'BROKER_PROTOCOL', 'BROKER_TLS', 'BROKER_UNREACHABLE'] as const

/** Gathers what the log says while a client connects, and decides when waiting longer is of no use. */
export class StartWatch {
  readonly #brokers: readonly string[]
  readonly #startedAt: number
  readonly #last = new Map<StartErrorCode, StartFailure>()
  readonly #failedBrokers = new Set<string>()
  #certain = 0

  constructor(brokers: readonly string[], now: number) {
    this.#brokers = brokers
    this.#startedAt = now
  }

  note(event: NativeLogEvent): void {
    const failure = classifyStartLog(event)
    if (failure === undefined) return
    if (failure.isCertain) this.#certain += 1
    // What it says in short may follow what it has said in full.
    if (failure.isCertain || this.#last.get(failure.code)?.isCertain !== true) this.#last.set(failure.code, failure)
    if (failure.broker !== undefined) this.#failedBrokers.add(failure.broker)
  }

  /** True when no longer wait can help: refused credentials, a failed handshake, or nobody at any address. */
  isHopeless(now: number): boolean {
    if (this.#certain >= CERTAIN_AFTER) return true
    return this.#failedBrokers.size >= this.#brokers.length && now - this.#startedAt >= UNCERTAIN_AFTER_MS
  }

  /** The error to end with. What is certain goes before what a broker says that is starting. */
  error(waitedMs: number): TroupeError {
    const seconds = (waitedMs / 1000).toFixed(0)
    const failures = reasons.flatMap((code) => this.#last.get(code) ?? [])
    const failure = failures.find(({ isCertain }) => isCertain) ?? failures[0]
    const all = this.#brokers.join(', ')
    if (failure === undefined) {
      return new TroupeError('BROKER_UNREACHABLE', `No Kafka broker answered within ${seconds} s: ${all}.`)
    }
    const broker = failure.broker ?? all
    switch (failure.code) {
      case 'BROKER_AUTHENTICATION':
        return new TroupeError(
          failure.code,
          `Kafka broker ${broker} refused the log-in: ${failure.detail}. ` +
            'Check sasl.mechanisms, sasl.username and sasl.password in kafka.client.',
        )
      case 'BROKER_TLS':
        return new TroupeError(
          failure.code,
          `The TLS handshake with Kafka broker ${broker} failed: ${failure.detail}. ` +
            "Check the CA (ssl.ca.location) and that the broker's certificate names this host.",
        )
      case 'BROKER_PROTOCOL':
        return new TroupeError(
          failure.code,
          `Kafka broker ${broker} does not speak the protocol it was spoken to: ${failure.detail}. ` +
            'Check security.protocol in kafka.client (plaintext unless set) against the listener of the broker.',
        )
      case 'BROKER_UNREACHABLE':
        return new TroupeError(
          failure.code,
          `No Kafka broker answered within ${seconds} s: ${all}. Last failure: ${failure.detail}. ` +
            'Check kafka.brokers and that the brokers are up and reachable from here.',
        )
    }
  }
}
