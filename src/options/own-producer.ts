/** The options of `startProducer`: those of an app that are about writing, and its own. */
import { TroupeError } from '../errors.ts'
import { sendDefaults, type SendLimits } from '../streams/producing/send-queue.ts'
import type { ProducerSettings } from '../streams/kafka/producer-settings.ts'
import type { OptionRow } from './option-row.ts'
import { OptionLevel, printed, type OptionRows } from './level.ts'
import { appOptions, type ResolvedApp } from './options.ts'
import { OptionOverrides } from './overrides.ts'
import { ownWriting } from './producer-options.ts'
import { DRAIN_TIMEOUT_MS } from '../streams/producing/producer.ts'
import { checkClientKeys, problemText } from './resolve.ts'
import { bytes, count, isPlainObject, milliseconds } from './rules.ts'

export interface ResolvedProducer extends Omit<SendLimits, 'lingerMs' | 'retries'> {
  readonly kafka: Pick<ResolvedApp['kafka'], 'brokers' | 'clientId' | 'connectTimeoutMs' | 'client'>
  readonly producer: ProducerSettings
  readonly drainTimeoutMs: number
}

type OwnPath = 'maxPendingRecords' | 'maxPendingBytes' | 'deliveryTimeoutMs' | 'drainTimeoutMs'

const own: { readonly [Path in OwnPath]: OptionRow<number> } = {
  maxPendingRecords: {
    rule: count('records'),
    default: sendDefaults.maxPendingRecords,
    doc: 'Records that are sent and have no answer yet. At the limit `send` waits for room, and `trySend` rejects.',
  },
  maxPendingBytes: {
    rule: bytes(),
    default: sendDefaults.maxPendingBytes,
    doc: 'Bytes of those, with 256 a record for what is around them. A record larger than that goes alone.',
  },
  deliveryTimeoutMs: {
    rule: milliseconds(),
    default: sendDefaults.deliveryTimeoutMs,
    doc: 'How long a record may take from `send` until it is durable, waiting for room and for brokers that are away included. Then its promise rejects.',
  },
  drainTimeoutMs: {
    rule: milliseconds(),
    default: DRAIN_TIMEOUT_MS,
    doc: 'Longest time that a stop waits for what is pending. What is left then is rejected.',
  },
}

export const ownProducerOptions = {
  'kafka.brokers': appOptions['kafka.brokers'],
  'kafka.clientId': appOptions['kafka.clientId'],
  'kafka.connectTimeoutMs': appOptions['kafka.connectTimeoutMs'],
  'kafka.client': appOptions['kafka.client'],
  ...ownWriting,
  ...own,
} satisfies OptionRows

/** Options of an app's `kafka` that are about its group: of no account to who only writes, so that both may be given one object. */
const ofGroups = Object.keys(appOptions)
  .filter((path) => path.startsWith('kafka.') && !(path in ownProducerOptions))
  .map((path) => path.slice('kafka.'.length))

/** Throws one OPTIONS_INVALID that lists every problem. */
export function resolveProducerOptions(
  given: unknown,
  env: Readonly<Record<string, string | undefined>> = {},
): ResolvedProducer {
  if (!isPlainObject(given)) {
    throw new TroupeError('OPTIONS_INVALID', `startProducer takes an object of options, not ${printed(given)}`)
  }
  const { kafka } = given
  const writing = isPlainObject(kafka)
    ? { ...given, kafka: Object.fromEntries(Object.entries(kafka).filter(([name]) => !ofGroups.includes(name))) }
    : given
  const problems: string[] = []
  const rows: OptionRows = ownProducerOptions
  const overrides = new OptionOverrides({ flags: {}, env, appRows: rows, actorRows: {}, actorNames: [] })
  const other = { owner: 'an app', paths: Object.keys(appOptions) }
  const siblings = ['topics', 'signal', 'log', 'env']
  const level = new OptionLevel({ rows, prefix: '', siblings, other, isCli: false, problems })
  level.read(writing, (path, inFile) => overrides.ofApp(path, inFile))
  checkClientKeys(level)
  if (problems.length > 0) throw new TroupeError('OPTIONS_INVALID', `startProducer: ${problemText(problems)}`)
  return level.shape() as unknown as ResolvedProducer
}
