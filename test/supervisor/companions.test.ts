/** Who reads companion inputs, while its brokers come and go. */
import { expect, test } from 'vitest'
import type { PartitionActor } from '../../src/actors/partition-actor.ts'
import { TroupeError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import type { BrokerReader, StartPosition } from '../../src/streams/broker-port.ts'
import { Companions } from '../../src/supervisor/companions.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

/** Connects once or never, as clients do. */
class Reader {
  readonly followed: string[] = []
  isDisconnected = false
  readonly #connects: boolean
  #end: () => void = () => undefined
  #connecting: Promise<void> | null = null

  constructor(connects: boolean) {
    this.#connects = connects
  }

  connect(): Promise<void> {
    const away = new TroupeError('BROKER_UNREACHABLE', 'no broker answered')
    this.#connecting ??= this.#connects ? Promise.resolve() : Promise.reject(away)
    return this.#connecting
  }

  follow(starts: readonly StartPosition[]): void {
    this.followed.push(...starts.map(({ partition, topic }) => `${topic}/${partition}`))
  }

  watermarks(): Promise<{ low: number; high: number }> {
    return Promise.resolve({ low: 0, high: 7 })
  }

  poll(): Promise<readonly never[]> {
    return new Promise((resolve) => {
      this.#end = () => resolve([])
    })
  }

  position(): null {
    return null
  }

  disconnect(): Promise<void> {
    this.isDisconnected = true
    this.#end()
    return Promise.resolve()
  }
}

test('a reader that could not connect is replaced: its partitions are read when brokers are back, and those that come later', async () => {
  const clock = new ManualClock()
  const readers: Reader[] = []
  const failures: unknown[] = []
  const companions = new Companions({
    openReader: () => {
      const reader = new Reader(readers.length >= 2)
      readers.push(reader)
      return reader as unknown as BrokerReader
    },
    ...{ credit: { availableRecords: 1 }, clock, log: silentLog, onTaken: () => undefined },
    onFailure: (error) => void failures.push(error),
  })
  const actorOf = (partition: number): PartitionActor => {
    const input = { topic: 'right', partition, isCompanion: true, isPaused: false, start: { position: 0 } }
    return { id: `join/${partition}`, isFenced: false, inputs: [input] } as unknown as PartitionActor
  }
  void companions.follow(actorOf(0))
  void companions.follow(actorOf(1))
  await clock.advance(10_000)
  void companions.follow(actorOf(2))
  await clock.advance(1)
  expect(await companions.watermarks({ topic: 'right', partition: 0 })).toEqual({ low: 0, high: 7 })
  // One for both, each time.
  expect(readers.map(({ isDisconnected }) => isDisconnected)).toEqual([true, true, false])
  expect(readers.map(({ followed }) => followed.toSorted())).toEqual([[], [], ['right/0', 'right/1', 'right/2']])
  expect(failures).toEqual([])
  await companions.close()
  expect(readers[2]?.isDisconnected).toBe(true)
})
