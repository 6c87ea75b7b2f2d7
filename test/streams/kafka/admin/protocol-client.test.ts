/** Which requests brokers know, as brokers of several ages answer that. */
import { createServer, type Server } from 'node:net'
import { expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { ProtocolClient, looksAtGenerations } from '../../../../src/streams/kafka/admin/protocol-client.ts'

const API_VERSIONS = 18
const TXN_OFFSET_COMMIT = 28

/** The third version of the answer, which brokers know from Kafka 2.4 on. */
function answer(versions: readonly (readonly [request: number, newest: number])[]): Buffer {
  const entries = versions.map(([request, newest]) => {
    const entry = Buffer.alloc(7)
    entry.writeInt16BE(request, 0)
    entry.writeInt16BE(newest, 4)
    return entry
  })
  return Buffer.concat([Buffer.from([0, 0, entries.length + 1]), ...entries, Buffer.alloc(5)])
}

/** UNSUPPORTED_VERSION, in the oldest form of the answer, and nothing else. */
const unknownVersion = Buffer.from([0, 35, 0, 0, 0, 0])

async function brokerThatAnswers(
  on: Pick<TestContext, 'onTestFinished'>,
  body: Buffer | null,
): Promise<ProtocolClient> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (request) => {
      if (body === null) return void socket.destroy()
      const head = Buffer.alloc(8)
      head.writeInt32BE(4 + body.byteLength, 0)
      request.copy(head, 4, 8, 12)
      socket.write(Buffer.concat([head, body]))
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const client = new ProtocolClient({
    ...{ brokers: [`127.0.0.1:${port}`], groupId: 'group', groupProtocol: 'classic', client: {} },
    ...{ commitIntervalMs: 100, maxPollIntervalMs: 300_000, clock: systemClock, log: () => undefined },
  })
  on.onTestFinished(async () => {
    await client.end()
    server.close()
  })
  return client
}

const brokers = [
  ['4.1', answer([[API_VERSIONS, 4], [TXN_OFFSET_COMMIT, 5]]), true], // prettier-ignore
  ['2.5', answer([[API_VERSIONS, 3], [TXN_OFFSET_COMMIT, 3]]), true], // prettier-ignore
  ['2.4', answer([[API_VERSIONS, 3], [TXN_OFFSET_COMMIT, 2]]), false], // prettier-ignore
  ['0.11', unknownVersion, false],
] as const

test.for(brokers)(
  'brokers of Kafka %s say whether a transaction looks at the generation of its member',
  async ([, body, looks], on) => {
    const client = await brokerThatAnswers(on, body)
    expect(looksAtGenerations((await client.requestVersions())!)).toBe(looks)
  },
)

test('brokers that tell nothing are neither good nor old: nothing fails of it', async (on) => {
  const client = await brokerThatAnswers(on, null)
  expect(await client.requestVersions()).toBeNull()
})
