/** Servers that are named may come up after us, as they do under Docker Compose: waits for them. Embedded ones are there. */
import { verifyDatabase } from '../pipeline/database.ts'
import { createKafkaClient, verifyBrokers } from '../pipeline/kafka-client.ts'
import type { StartOptions } from '../pipeline/start-options.ts'
import { withBackOff, type BackOff } from './back-off.ts'

/** Some 25 seconds, and what the attempts take. */
const patience: BackOff = { attempts: 8, firstMs: 250, maxMs: 8000 }

/** Rejects when one of them does not answer in the end. */
export async function untilServersAnswer(
  { brokers, postgres }: StartOptions,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const onRetry = (error: unknown, afterMs: number): void => {
    say(`${error instanceof Error ? error.message : String(error)}; again in ${afterMs} ms`)
  }
  if (brokers !== undefined) {
    await withBackOff(() => verifyBrokers(createKafkaClient(brokers), brokers), patience, { signal, onRetry })
  }
  if (postgres !== undefined) await withBackOff(() => verifyDatabase(postgres), patience, { signal, onRetry })
}
