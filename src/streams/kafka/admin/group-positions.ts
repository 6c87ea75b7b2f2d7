/**
 * What a group has committed, asked as an operator asks, but on a client that is of that group and never joins it: where the
 * group's coordinator has just been made, or has moved, the answer ends the process of a client that is of no group.
 */
import { sleep } from '../../../clock.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { groupPositionsConfig } from '../client-config.ts'
import { configurationError, connectClient } from '../connection.ts'
import { isOutage } from '../consumer/consumer-errors.ts'
import type { NativeConsumer, NativeError, NativeGroupOffsets, NativeKafka, NativeTopicPartition } from '../native.ts'
import { AdminError, NO_SUCH_GROUP, groupError, outage } from './admin-errors.ts'

const CONNECT_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 15_000
/** A coordinator is made, or loads, in less. */
const PATIENCE_MS = 30_000
const ASK_AGAIN_MS = 50

export interface GroupQuestion {
  readonly native: NativeKafka
  readonly options: KafkaBrokerOptions
  readonly groupId: string
  /** Aborted, it is given up. */
  readonly signal: AbortSignal
}

/**
 * A group that nobody has heard of has committed nothing. Rejects with NOT_AUTHORIZED where this user may not see it, and
 * with BROKER_UNREACHABLE when nobody has coordinated it for long.
 */
export async function askCommitted({
  native,
  options,
  groupId,
  signal,
}: GroupQuestion): Promise<readonly NativeTopicPartition[]> {
  const { brokers, clock, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options
  const config = groupPositionsConfig(options, groupId)
  let client: NativeConsumer
  try {
    client = new native.KafkaConsumer(config)
  } catch (error) {
    throw configurationError(error, config)
  }
  client.on('error', (error) => options.log('warn', {}, error.message))
  await connectClient(client, config, brokers, connectTimeoutMs, signal, clock)
  try {
    for (const endsAt = clock.now() + PATIENCE_MS; ;) {
      const { error, partitions } = await askOnce(native, client, groupId)
      if (error === undefined || error.code === 0) return partitions
      if (error.code === NO_SUCH_GROUP) return []
      if (!isOutage(error.code) || clock.now() >= endsAt || signal.aborted) throw groupError(groupId, error)
      await sleep(clock, ASK_AGAIN_MS)
    }
  } finally {
    await new Promise<void>((resolve) => {
      client.disconnect(resolve)
    })
  }
}

function askOnce(native: NativeKafka, client: NativeConsumer, groupId: string): Promise<NativeGroupOffsets> {
  return new Promise((resolve, reject) => {
    const done = (error: NativeError | null | undefined, groups: readonly NativeGroupOffsets[]): void => {
      const [group] = error == null ? groups : [{ error, partitions: [] }]
      if (group !== undefined) resolve(group)
      else reject(outage(new AdminError(0, `group ${groupId}: the brokers said nothing of it`)))
    }
    const options = { timeout: REQUEST_TIMEOUT_MS, requireStableOffsets: false }
    native.AdminClient.createFrom(client).listConsumerGroupOffsets([{ groupId }], options, done)
  })
}
