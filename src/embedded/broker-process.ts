/**
 * The process of the embedded broker: librdkafka's in-process mock cluster, which lives as long as
 * the client that asked for it. Started by `embedded-broker.ts` and tied to its parent by the IPC
 * channel: however the parent ends, the channel closes and this process is gone.
 */
import { isTroupeError, type ErrorCode } from '../errors.ts'
import { loadNativeKafka, type NativeKafka, type NativeMetadata, type NativeProducer } from '../streams/kafka/native.ts'

export type BrokerReply =
  | { readonly type: 'ready'; readonly bootstrapServers: string }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly reason: string }

const METADATA_TIMEOUT_MS = 10_000

function reply(message: BrokerReply): void {
  process.send?.(message)
}

function startCluster(brokers: number, topics: readonly string[], kafka: NativeKafka): void {
  // Properties that librdkafka hides: the client makes its own cluster and connects to it.
  const client = new kafka.Producer({ 'bootstrap.servers': '', 'test.mock.num.brokers': brokers, log_level: 3 })
  client.on('event.log', () => undefined)
  client.on('event.error', () => undefined)
  client.on('error', () => undefined)
  client.connect({ timeout: 10_000, allTopics: false }, (error, metadata) => {
    if (error !== null && error !== undefined) {
      reply({ type: 'failed', code: 'BROKER_UNREACHABLE', reason: error.message })
      return
    }
    const cluster = metadata as unknown as { brokers: readonly { host: string; port: number }[] }
    const bootstrapServers = cluster.brokers.map(({ host, port }) => `${host}:${port}`).join(',')
    Promise.all(topics.map((topic) => touchTopic(client, topic))).then(
      () => reply({ type: 'ready', bootstrapServers }),
      (cause: unknown) => reply(failed(cause)),
    )
  })
}

/**
 * The mock cluster has no request that makes a topic: it makes what a client that may make topics asks about, a moment
 * later. So it is asked until the topic is there; who waits for us has a time-out.
 */
async function touchTopic(client: NativeProducer, topic: string): Promise<void> {
  for (;;) {
    const topics = await new Promise<NativeMetadata['topics']>((resolve, reject) => {
      client.getMetadata({ topic, timeout: METADATA_TIMEOUT_MS }, (error, metadata) => {
        if (error === null || error === undefined) resolve(metadata.topics)
        else reject(new Error(`topic ${topic}: ${error.message}`))
      })
    })
    if (topics.some(({ name, partitions }) => name === topic && partitions.length > 0)) return
  }
}

function failed(cause: unknown): BrokerReply {
  return {
    type: 'failed',
    code: isTroupeError(cause) ? cause.code : 'BROKER_UNREACHABLE',
    reason: cause instanceof Error ? cause.message : String(cause),
  }
}

// Nothing here is worth an orderly end (all of it is in memory), and an orderly one can hang.
function end(): void {
  process.kill(process.pid, 'SIGKILL')
}

process.on('disconnect', end)
// The parent may have gone while we were loading.
if (!process.connected) end()
// Ctrl-C and a group's SIGTERM are for the process we serve, which still needs a broker to drain.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

try {
  const [brokers, ...topics] = process.argv.slice(2)
  startCluster(Number(brokers ?? 1), topics, loadNativeKafka())
} catch (error) {
  reply(failed(error))
}
