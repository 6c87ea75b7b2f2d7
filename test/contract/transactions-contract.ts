/**
 * What exactly-once relies on of transactions. The same suite runs against the fake broker and real Kafka, so that the
 * simulation's crashes in the middle of a checkpoint prove something of the real one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BrokerWorld } from './contract-world.ts'
import { bytesOf, numbered, textOf, until } from './contract-world.ts'
import { describePositionsContract } from './transaction-positions-contract.ts'
import { again, transactionTools, untilTold, valuesOf } from './transaction-tools.ts'

export function describeTransactionsContract(
  name: string,
  makeWorld: () => Promise<BrokerWorld>,
  { concurrent = false }: { readonly concurrent?: boolean } = {},
): void {
  describe(`transactions contract: ${name}`, { concurrent }, () => {
    let world: BrokerWorld
    beforeAll(async () => {
      world = await makeWorld()
    })
    afterAll(() => world.end())

    const { given, owner, joined, readerOf, visible } = transactionTools(() => world)

    describeRecords()
    describePositionsContract(() => world)
    describeEnds()
    describeFencing()

    function describeRecords(): void {
      it('shows nothing before the commit, and then all of it, with key, value, headers and time as they are', async (test) => {
        const { topic, producer, broker, record } = await given(test, { partitions: 2 })
        const reader = await readerOf(test, broker)
        producer.begin()
        await producer.send([record('a0', 0), record('b0', 1)])
        await producer.send([
          record('a1', 0),
          { ...record('b1', 1), key: null, timestamp: 1_600_000_000_123, headers: [['h', bytesOf('1')]] },
          { ...record('', 1), value: null },
        ])
        for (const [partition, end] of [2, 3].entries()) {
          await untilTold(
            'its records in the log',
            async () => (await reader.watermarks({ topic, partition })).high === end,
          )
        }
        expect(await world.read(topic)).toEqual([])
        await producer.commit()
        const records = await visible(topic, 5)
        expect(records.map(({ partition, value }) => [partition, textOf(value)])).toEqual([
          [0, 'a0'],
          [0, 'a1'],
          [1, 'b0'],
          [1, 'b1'],
          [1, 'null'],
        ])
        expect(records[3]).toMatchObject({ key: null, timestamp: 1_600_000_000_123 })
        expect(records[3]!.headers.map(([header, value]) => [header, textOf(value)])).toEqual([['h', '1']])
      })

      it('never shows what was aborted, and goes on with the same client', async (test) => {
        const { topic, producer, record } = await given(test)
        const committed: string[] = []
        for (const [round, end] of (['commit', 'abort', 'abort', 'commit'] as const).entries()) {
          producer.begin()
          await producer.send([record(`${round}-a`), record(`${round}-b`)])
          await producer[end]()
          if (end === 'commit') committed.push(`${round}-a`, `${round}-b`)
        }
        expect(valuesOf(await visible(topic, 4))).toEqual(committed)
      })

      it('keeps the order of a partition over many sends and transactions, and gives way to the event loop meanwhile', async (test) => {
        const { topic, producer, record } = await given(test, { partitions: 2 })
        let turns = 0
        const count = (): void => {
          turns += 1
          counting = setImmediate(count)
        }
        let counting = setImmediate(count)
        test.onTestFinished(() => clearImmediate(counting))
        let next = 0
        for (const sends of [[1], [3, 20_000], [2, 1, 500]]) {
          producer.begin()
          for (const size of sends) {
            const before = turns
            await producer.send(Array.from({ length: size }, () => record(String((next += 1)), next % 2)))
            if (size === 20_000) expect(turns - before).toBeGreaterThan(1)
          }
          await producer.commit()
        }
        const records = await visible(topic, next)
        expect(records).toHaveLength(next)
        for (const partition of [0, 1]) {
          const values = records
            .filter((each) => each.partition === partition)
            .map(({ value }) => Number(textOf(value)))
          expect(values).toEqual(Array.from({ length: next }, (_, i) => i + 1).filter((each) => each % 2 === partition))
        }
      })

      it('says of a record that is refused no more than that; tried alone it is named, and nothing of it is seen', async (test) => {
        if (!world.has.topicLimits) test.skip('it has no limits of a topic')
        const { topic, producer, record } = await given(test, { config: { 'max.message.bytes': '2000' } })
        const isLarge = (i: number): boolean => i % 20 === 7
        const records = Array.from({ length: 50 }, (_, i) => (isLarge(i) ? record('x'.repeat(3000)) : record(`v${i}`)))
        producer.begin()
        const transaction = producer.send(records).then(() => producer.commit())
        await expect(transaction).rejects.toMatchObject({ name: 'TransactionError', fault: 'refused' })
        await producer.abort()
        const results = await producer.tryRecords(records)
        expect(results.map((result) => result !== null)).toEqual(records.map((_, i) => isLarge(i)))
        expect(results[7]).toMatchObject({ code: 'RECORD_TOO_LARGE' })
        const others = records.filter((_, i) => !isLarge(i))
        producer.begin()
        await producer.send(others)
        await producer.commit()
        expect(valuesOf(await visible(topic, others.length))).toEqual(others.map(({ value }) => textOf(value)))
      })

      it('refuses records of a topic that does not exist, and names them when they are tried', async (test) => {
        const { topic, producer, record } = await given(test)
        const records = [record('a'), { ...record('b'), topic: world.uniqueName('missing') }, record('c')]
        producer.begin()
        const transaction = producer.send(records).then(() => producer.commit())
        await expect(transaction).rejects.toMatchObject({ fault: 'refused' })
        await producer.abort()
        expect(await producer.tryRecords(records)).toEqual([
          null,
          expect.objectContaining({ code: 'TOPIC_MISSING' }),
          null,
        ])
        producer.begin()
        await producer.send([record('d')])
        await producer.commit()
        expect(valuesOf(await visible(topic, 1))).toEqual(['d'])
      })

      it('holds a consumer at the first record that is open, though the log goes on; a reader is told the end of the log', async (test) => {
        const { topic, producer, broker, record, onlooker } = await given(test)
        const partition = { topic, partition: 0 }
        await world.append(topic, numbered(0, 3, 'before'))
        producer.begin()
        await producer.send([record('open')])
        const reader = await readerOf(test, broker)
        await untilTold('the open record', async () => (await reader.watermarks(partition)).high === 4)
        await world.append(topic, numbered(0, 1, 'behind'))
        const consumer = await onlooker()
        expect((await consumer.watermarks(partition)).high).toBe(3)
        expect((await reader.watermarks(partition)).high).toBe(5)
        await producer.commit()
        expect(valuesOf(await visible(topic, 5))).toEqual(['before0', 'before1', 'before2', 'open', 'behind0'])
        await untilTold('the marker', async () => (await consumer.watermarks(partition)).high === 6)
        expect((await reader.watermarks(partition)).high).toBe(6)
      })

      it('leads who reads to the end past the markers: the position there is the end of the log', async (test) => {
        const { topic, producer, broker, record } = await given(test)
        const reader = await readerOf(test, broker)
        for (const [round, end] of (['commit', 'abort', 'commit', 'abort'] as const).entries()) {
          producer.begin()
          await producer.send([record(end), record(end)])
          // What an abort finds unsent is never sent.
          const sent = round * 3 + 2
          await untilTold(
            'its records in the log',
            async () => (await reader.watermarks({ topic, partition: 0 })).high === sent,
          )
          await producer[end]()
        }
        const member = await joined(test, broker, topic)
        await until('the end', () => member.ends.some(({ position }) => position === 12))
        expect(member.valuesOf(0)).toEqual(['commit', 'commit', 'commit', 'commit'])
        expect((await reader.watermarks({ topic, partition: 0 })).high).toBe(12)
        member.consumer.storePositions([{ topic, partition: 0, position: 12, metadata: '' }])
        await until('a commit', () => member.commits.some(({ result }) => result === 'accepted'))
        expect(await member.consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position: 12 }])
      })
    }

    function describeEnds(): void {
      it('is not disturbed by idle time, longer than the time-out: before a transaction, and before its first record', async (test) => {
        const { topic, producer, record } = await given(test, { timeoutMs: 1000 })
        const idle = (): Promise<void> => sleep(2500)
        await idle()
        producer.begin()
        await idle()
        await producer.send([record('a')])
        await producer.commit()
        await idle()
        producer.begin()
        await producer.commit()
        producer.begin()
        await producer.abort()
        producer.begin()
        await producer.send([record('b')])
        await producer.commit()
        expect(valuesOf(await visible(topic, 2))).toEqual(['a', 'b'])
      })

      it('is over with what stayed open beyond the time-out: it is aborted, its client fenced until it connects again', async (test) => {
        const about = await given(test, { timeoutMs: 1000 })
        const { topic, producer, record, positionAt, onlooker } = about
        const member = await owner(test, about)
        producer.begin()
        await producer.send([record('late')])
        await producer.sendPositions(member.consumer, [positionAt(1)])
        const reader = await readerOf(test, about.broker)
        await untilTold(
          'its record in the log',
          async () => (await reader.watermarks({ topic, partition: 0 })).high === 1,
        )
        await world.append(topic, numbered(0, 1, 'behind'))
        expect(valuesOf(await visible(topic, 1))).toEqual(['behind0'])
        const more = producer.send([record('more')]).then(() => producer.commit())
        await expect(more).rejects.toMatchObject({ name: 'TransactionError', fault: 'fenced' })
        const consumer = await onlooker()
        expect(await consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position: null }])
        await producer.connect()
        await again(producer, () => producer.send([record('again')]))
        expect(valuesOf(await visible(topic, 2))).toEqual(['behind0', 'again'])
      })

      it('aborts what is open when it disconnects, which it takes twice; nothing can be sent then', async (test) => {
        const { topic, producer, record, successor } = await given(test)
        producer.begin()
        await producer.send([record('open')])
        await Promise.all([producer.disconnect(), producer.disconnect()])
        await world.append(topic, numbered(0, 1, 'behind'))
        expect(valuesOf(await visible(topic, 1))).toEqual(['behind0'])
        const unused = successor()
        await unused.disconnect()
        await expect(
          (async () => {
            producer.begin()
            await producer.send([record('late')])
            await producer.commit()
          })(),
        ).rejects.toThrow()
        expect(valuesOf(await world.read(topic))).toEqual(['behind0'])
      })

      it('takes an abort where nothing is open', async (test) => {
        const { topic, producer, record } = await given(test)
        await producer.abort()
        producer.begin()
        await producer.abort()
        await producer.abort()
        await again(producer, () => producer.send([record('a')]))
        expect(valuesOf(await visible(topic, 1))).toEqual(['a'])
      })
    }

    function describeFencing(): void {
      it('ends what an older client of the id has left open, by the time it is connected', async (test) => {
        const about = await given(test)
        const { topic, producer, successor, record, positionAt, onlooker } = about
        const member = await owner(test, about)
        producer.begin()
        await producer.send([record('left open')])
        await producer.sendPositions(member.consumer, [positionAt(1)])
        await world.append(topic, numbered(0, 1, 'behind'))
        const next = successor()
        await next.connect()
        expect(valuesOf(await visible(topic, 1))).toEqual(['behind0'])
        const consumer = await onlooker()
        expect(await consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position: null }])
        await again(next, async () => {
          await next.send([record('next')])
          await next.sendPositions(member.consumer, [positionAt(2)])
        })
        expect(valuesOf(await visible(topic, 2))).toEqual(['behind0', 'next'])
        expect(await consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position: 2 }])
      })

      it.for(['record', 'position', 'commit'] as const)(
        'is fenced at the next %s when another has taken its id, and can do nothing until it takes it back',
        async (step, test) => {
          const about = await given(test)
          const { topic, producer, successor, record, positionAt } = about
          const member = await owner(test, about)
          producer.begin()
          if (step === 'commit') await producer.send([record('older')])
          const other = successor()
          await other.connect()
          const fenced = { name: 'TransactionError', fault: 'fenced' }
          if (step === 'position') {
            await expect(producer.sendPositions(member.consumer, [positionAt(1)])).rejects.toMatchObject(fenced)
          } else {
            const rest = step === 'record' ? producer.send([record('older')]) : Promise.resolve()
            await expect(rest.then(() => producer.commit())).rejects.toMatchObject(fenced)
          }
          await expect(
            (async () => {
              await producer.abort()
              producer.begin()
              await producer.send([record('older')])
              await producer.commit()
            })(),
          ).rejects.toMatchObject(fenced)
          await again(other, () => other.send([record('other')]))
          await producer.connect()
          await again(producer, () => producer.send([record('back')]))
          expect(valuesOf(await visible(topic, 2))).toEqual(['other', 'back'])
        },
      )
    }
  })
}
