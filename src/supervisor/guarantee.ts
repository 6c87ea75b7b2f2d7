/** What an app promises. */
import { isStateful, type HandlerManifest } from '../actors/handlers/handler-manifest.ts'
import { TroupeError } from '../errors.ts'
import type { ResolvedApp } from '../options/options.ts'
import { endsBeforePolls } from '../options/relations.ts'
import type { Log } from '../log.ts'
import type { Broker } from '../streams/broker.ts'
import type { Delivery } from '../streams/delivery/delivery.ts'

/** State needs transactions, so one actor that keeps some makes the whole app exactly-once. Throws OPTIONS_INVALID. */
export function guaranteeOf(
  { guarantee }: Pick<ResolvedApp, 'guarantee'>,
  manifests: readonly Pick<HandlerManifest, 'actor' | 'companions' | 'states' | 'timers' | 'latestTopics'>[],
): Delivery['kind'] {
  const stateful = manifests.filter(isStateful).map(({ actor }) => actor)
  if (guarantee === 'at-least-once' && stateful.length > 0) {
    throw new TroupeError(
      'OPTIONS_INVALID',
      `guarantee must not be at-least-once: the handler of ${stateful.join(', ')} keeps state, which is only right together with its outputs and positions; leave guarantee out`,
    )
  }
  const promised = stateful.length > 0 ? 'exactly-once' : (guarantee ?? 'at-least-once')
  const latest = manifests.filter(({ latestTopics }) => latestTopics.length > 0)
  if (promised === 'at-least-once' && latest.length > 0) {
    const outputs = latest.map(({ actor, latestTopics }) => `${latestTopics.join(', ')} of ${actor}`).join('; ')
    throw new TroupeError(
      'OPTIONS_INVALID',
      `latestPerCheckpoint (${outputs}) needs checkpoints, and there are none with at-least-once: set guarantee: 'exactly-once', or declare the topic without it`,
    )
  }
  return promised
}

/** What options cannot say of themselves where it is a handler's state that makes the app exactly-once. Throws OPTIONS_INVALID. */
export function checkTimes(guarantee: Delivery['kind'], app: ResolvedApp): void {
  if (guarantee !== 'exactly-once' || endsBeforePolls(app)) return
  const { drainTimeoutMs, kafka, transactionTimeoutMs } = app
  throw new TroupeError(
    'OPTIONS_INVALID',
    `drainTimeoutMs (${drainTimeoutMs}) and transactionTimeoutMs (${transactionTimeoutMs}) together have to be less than kafka.maxPollIntervalMs (${kafka.maxPollIntervalMs}), since a handler keeps state: a drain, and a transaction that is still open then, must end before the member counts as gone`,
  )
}

/** Whether there are transactions to rely on; says so where an app needs them and there are none. Asks nobody where it needs none. */
export async function hasTransactions(guarantee: Delivery['kind'], broker: Broker, log: Log): Promise<boolean> {
  if (guarantee !== 'exactly-once') return false
  const admin = broker.admin()
  try {
    await admin.connect()
    const keeps = await admin.keepsTransactions()
    if (keeps) await admin.verifyTransactions()
    else {
      log.warn(
        {},
        'these brokers keep no transactions, as the embedded one: outputs are written before positions, and may come twice after a crash',
      )
    }
    return keeps
  } finally {
    await admin.disconnect()
  }
}

/** What our own client takes of one record: the native client's default unless it is set. */
export function maxRecordBytesOf({ kafka: { client } }: Pick<ResolvedApp, 'kafka'>): number {
  const bytes = Number(client['message.max.bytes'] ?? DEFAULT_MAX_BYTES)
  return Number.isFinite(bytes) ? bytes : DEFAULT_MAX_BYTES
}

const DEFAULT_MAX_BYTES = 1_000_000
