/**
 * What a group has committed, asked by a client of that group which never joins it. The client's question for operators ends
 * the process while the group's coordinator is made or moves: it takes for granted that whoever asks is of a group.
 */
import { sleep } from '../../../clock.ts'
import { isTroupeError } from '../../../errors.ts'
import { OpenWaits } from '../../../metrics/open-waits.ts'
import type { CommittedPosition } from '../../broker-port.ts'
import type { TopicPartition } from '../../record.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { groupPositionsConfig } from '../client-config.ts'
import { configurationError, connectClient } from '../connection.ts'
import { fetchCommitted } from '../consumer/position-queries.ts'
import type { NativeConsumer, NativeKafka } from '../native.ts'
import { notConnected } from './admin-errors.ts'

const CONNECT_TIMEOUT_MS = 15_000
/** A coordinator is made, or loads, in less. */
const PATIENCE_MS = 30_000
const ASK_MS = 5_000
const ASK_AGAIN_MS = 50

export interface GroupQuestion {
  readonly native: NativeKafka
  readonly options: KafkaBrokerOptions
  readonly groupId: string
  /** Aborted, it is given up. */
  readonly signal: AbortSignal
}

/** Rejects with NOT_AUTHORIZED, or with BROKER_UNREACHABLE when no coordinator has answered for long. */
export async function askCommitted(
  { native, options, groupId, signal }: GroupQuestion,
  partitions: readonly TopicPartition[],
): Promise<readonly CommittedPosition[]> {
  const { brokers, clock, connectTimeoutMs = CONNECT_TIMEOUT_MS, waits = new OpenWaits() } = options
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
      try {
        return await fetchCommitted(client, partitions, ASK_MS, waits)
      } catch (error) {
        const mayPass = isTroupeError(error) && error.code === 'BROKER_UNREACHABLE'
        if (!mayPass || clock.now() >= endsAt) throw error
        if (signal.aborted) throw notConnected()
        await sleep(clock, ASK_AGAIN_MS)
      }
    }
  } finally {
    await new Promise<void>((resolve) => {
      client.disconnect(resolve)
    })
  }
}
