/** One record through a whole supervisor, on the broker that the package brings along. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { type AppDefinition, type Sink } from 'troupe'
import type { startSupervisor } from 'troupe'
import type { startEmbeddedBroker } from 'troupe/embedded'

interface Troupe {
  readonly startSupervisor: typeof startSupervisor
  readonly startEmbeddedBroker: typeof startEmbeddedBroker
}

/** What is used of the native client, which is found where Troupe finds it. */
interface NativeProducer {
  connect(options: object, done: (error: Error | null) => void): void
  produce(topic: string, partition: null, value: Buffer, key: string): void
  flush(timeoutMs: number, done: (error: Error | null) => void): void
  disconnect(done: () => void): void
}

/** `actor` takes `{ id, total }` of `orders` and writes a row of `receipts` with its tax. */
export async function probe(troupe: Troupe, actor: AppDefinition['actors'][number]): Promise<void> {
  const broker = await troupe.startEmbeddedBroker()
  // Before the start: there a topic comes into being when it is written to.
  await send(broker.bootstrapServers, { id: 'a', total: 8 })
  const receipts = new Receipts()
  const supervisor = await troupe.startSupervisor({
    kafka: { brokers: [broker.bootstrapServers], groupId: 'receipts' },
    actors: [actor],
    sinks: { receipts },
    http: { port: null },
    log: { level: 'error' },
  })
  assert.deepEqual(await receipts.first, ['a', '2'])
  await supervisor.stop()
  assert.deepEqual(await supervisor.finished, { reason: 'stopped' })
  await broker.stop()
}

class Receipts implements Sink {
  readonly maxBatch = 100
  readonly first: Promise<readonly (string | null)[]>
  #resolve: (values: readonly (string | null)[]) => void = () => undefined

  constructor() {
    this.first = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  async open(): Promise<void> {}
  async prepare(): Promise<void> {}
  async close(): Promise<void> {}

  async write(batch: Parameters<Sink['write']>[0]): Promise<null[]> {
    for (const { output } of batch) this.#resolve(output.values)
    return batch.map(() => null)
  }
}

async function send(brokers: string, order: object): Promise<void> {
  const troupe = createRequire(createRequire(import.meta.url).resolve('troupe/package.json'))
  const { Producer } = troupe('@confluentinc/kafka-javascript') as {
    Producer: new (config: object) => NativeProducer
  }
  const producer = new Producer({ 'bootstrap.servers': brokers })
  await answer((done) => producer.connect({}, done))
  producer.produce('orders', null, Buffer.from(JSON.stringify(order)), 'a')
  await answer((done) => producer.flush(10_000, done))
  await new Promise<void>((resolve) => producer.disconnect(resolve))
}

function answer(ask: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    ask((error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}
