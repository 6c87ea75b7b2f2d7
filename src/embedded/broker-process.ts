/**
 * The process of the embedded broker: librdkafka's in-process mock cluster, which lives as long as
 * the client that asked for it. Started by `embedded-broker.ts` and tied to its parent by the IPC
 * channel: however the parent ends, the channel closes and this process is gone.
 */
import { isTroupeError, type ErrorCode } from '../errors.ts'
import { loadNativeKafka, type NativeKafka } from '../streams/kafka/native.ts'

export type BrokerReply =
  | { readonly type: 'ready'; readonly bootstrapServers: string }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly reason: string }

function reply(message: BrokerReply): void {
  process.send?.(message)
}

function startCluster(brokers: number, kafka: NativeKafka): void {
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
    reply({ type: 'ready', bootstrapServers: cluster.brokers.map(({ host, port }) => `${host}:${port}`).join(',') })
  })
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
  startCluster(Number(process.argv[2] ?? 1), loadNativeKafka())
} catch (error) {
  reply({
    type: 'failed',
    code: isTroupeError(error) ? error.code : 'BROKER_UNREACHABLE',
    reason: error instanceof Error ? error.message : String(error),
  })
}
