/**
 * Which keys of the native client's configuration belong to the engine, and which hold secrets.
 * Kept apart from the broker, because options are validated where the native client must not load.
 */

const callbacks = 'the engine answers this callback itself'
const offsets = 'the engine decides which positions are committed'
const starts = 'the engine sets the start of each partition itself'
const order = 'order and durability of outputs depend on it'

/** Keys of `kafka.client` that are refused → why, and what to set instead. */
export const ownedClientKeys: ReadonlyMap<string, string> = new Map([
  ['bootstrap.servers', 'set kafka.brokers'],
  ['metadata.broker.list', 'set kafka.brokers'],
  ['group.id', 'set kafka.groupId'],
  ['group.instance.id', 'set kafka.groupInstanceId'],
  ['client.id', 'set kafka.clientId'],
  ['group.protocol', 'set kafka.groupProtocol'],
  ['partition.assignment.strategy', 'set kafka.assignmentStrategy'],
  ['group.remote.assignor', 'the brokers choose it for the group'],
  ['session.timeout.ms', 'set kafka.sessionTimeoutMs'],
  ['max.poll.interval.ms', 'set kafka.maxPollIntervalMs; the drain time has to stay below it'],
  ['enable.auto.commit', offsets],
  ['auto.commit.enable', offsets],
  ['auto.commit.interval.ms', 'set commitIntervalMs'],
  ['enable.auto.offset.store', offsets],
  ['offset.store.method', offsets],
  ['auto.offset.reset', starts],
  ['enable.partition.eof', 'the engine needs the event to move positions past transaction markers'],
  ['isolation.level', 'records of transactions that were aborted must not be handled'],
  ['rebalance_cb', callbacks],
  ['offset_commit_cb', callbacks],
  ['dr_cb', callbacks],
  ['dr_msg_cb', callbacks],
  ['event_cb', callbacks],
  ['consume_cb', callbacks],
  ['queue_non_empty_cb', callbacks],
  ['partitioner_cb', callbacks],
  ['delivery.report.only.error', order],
  ['log.queue', 'the engine reads the log to name the cause of start-up errors'],
  ['enable.idempotence', order],
  ['enable.gapless.guarantee', order],
  ['acks', order],
  ['request.required.acks', order],
  ['max.in.flight.requests.per.connection', order],
  ['max.in.flight', order],
  ['retries', order],
  ['message.send.max.retries', order],
  ['message.timeout.ms', 'the engine waits and sends again, in order; a time-out would drop the first record of a key'],
  [
    'delivery.timeout.ms',
    'the engine waits and sends again, in order; a time-out would drop the first record of a key',
  ],
  ['queuing.strategy', order],
  ['partitioner', 'set producer.partitioner'],
  ['transactional.id', 'set kafka.transactionalId'],
  ['transaction.timeout.ms', 'set transactionTimeoutMs'],
  ['allow.auto.create.topics', 'a misspelt topic must not be created'],
])

/** Keys that the brokers decide under KIP-848: setting them there is an error of the client. */
export const classicOnlyClientKeys: ReadonlySet<string> = new Set(['heartbeat.interval.ms', 'group.protocol.type'])

/** Stands for a secret that is set. */
export const MASK = '***'

const secretKeys = [/pas+w|pwd/i, /secret/i, /\.pem$/i, /(^|\.)key$/i, /token/i]
/** Of these all others may be a secret, by a name that is misspelt too. */
const shownSaslKeys = /^sasl\.(mechanisms?|username|kerberos\.(service\.name|principal))$/

/** True for a key of the client's configuration whose value must not be logged. */
function holdsSecret(key: string): boolean {
  if (/^sasl\./i.test(key)) return !shownSaslKeys.test(key)
  return secretKeys.some((pattern) => pattern.test(key))
}

/** The configuration as it may be logged: values of secret keys and functions replaced. */
export function maskClientConfig(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      holdsSecret(key) ? MASK : typeof value === 'function' ? '(function)' : value,
    ]),
  )
}
