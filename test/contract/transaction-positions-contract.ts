/** The positions' half of the transactions contract. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { BrokerWorld } from './contract-world.ts'
import { Member, textOf, until } from './contract-world.ts'
import { again, transactionTools, valuesOf } from './transaction-tools.ts'

export function describePositionsContract(currentWorld: () => BrokerWorld): void {
  const { given, owner, joined, readerOf, visible } = transactionTools(currentWorld)

  it('commits positions with their metadata together with the records, and drops them with an abort', async (test) => {
    const about = await given(test, { partitions: 2 })
    const { topic, producer, record, positionAt, onlooker } = about
    const member = await owner(test, about, 2)
    const consumer = await onlooker()
    const committed = async (): Promise<unknown[]> =>
      (
        await consumer.committed([
          { topic, partition: 0 },
          { topic, partition: 1 },
        ])
      ).map(({ position, metadata }) => [position, metadata])
    const transact = async (at: number, end: 'commit' | 'abort'): Promise<void> => {
      producer.begin()
      await producer.send([record(`${at}`)])
      await producer.sendPositions(member.consumer, [positionAt(at, `map of ${at}`)])
      await producer.sendPositions(member.consumer, [positionAt(at + 1, '', 1)])
      await producer[end]()
    }
    await transact(5, 'abort')
    expect(await committed()).toEqual([
      [null, ''],
      [null, ''],
    ])
    await transact(10, 'commit')
    expect(await committed()).toEqual([
      [10, 'map of 10'],
      [11, ''],
    ])
    await transact(20, 'abort')
    expect(await committed()).toEqual([
      [10, 'map of 10'],
      [11, ''],
    ])
    expect(valuesOf(await visible(topic, 1))).toEqual(['10'])
  })

  it('commits positions without any record', async (test) => {
    const about = await given(test)
    const { topic, producer, positionAt, onlooker } = about
    const member = await owner(test, about)
    producer.begin()
    await producer.sendPositions(member.consumer, [positionAt(7, 'alone')])
    await producer.commit()
    const consumer = await onlooker()
    expect(await consumer.committed([{ topic, partition: 0 }])).toEqual([positionAt(7, 'alone')])
  })

  it('lets nobody see the positions of a partition while a transaction has some of it open', async (test) => {
    const about = await given(test)
    const { topic, producer, positionAt, onlooker } = about
    const member = await owner(test, about)
    const consumer = await onlooker()
    const ends = ['commit', 'abort', 'commit'] as const
    let stands: number | null = null
    for (const [round, end] of ends.entries()) {
      producer.begin()
      await producer.sendPositions(member.consumer, [positionAt(round + 1)])
      let isAnswered = false
      const asked = consumer.committed([{ topic, partition: 0 }]).finally(() => (isAnswered = true))
      await sleep(300)
      expect(isAnswered).toBe(false)
      await producer[end]()
      if (end === 'commit') stands = round + 1
      expect((await asked)[0]!.position).toBe(stands)
    }
  })

  it('shows who asks for the position first and for the end of the log then all that was committed with it', async (test) => {
    const about = await given(test, { partitions: 2 })
    const { topic, producer, record, positionAt, onlooker, broker } = about
    const member = await owner(test, about, 2)
    const consumer = await onlooker()
    const reader = await readerOf(test, broker)
    const at = { topic, partition: 1 }
    const rounds = 20
    const writer = { isDone: false }
    const write = async (): Promise<void> => {
      for (let round = 1; round <= rounds; round += 1) {
        await again(producer, async () => {
          await producer.send([record(`${round}`, 0), record(`${round}`, 1)])
          await producer.sendPositions(member.consumer, [positionAt(round)])
        })
      }
    }
    const restore = async (): Promise<{ readonly position: number; readonly values: readonly number[] }> => {
      const [committed] = await consumer.committed([{ topic, partition: 0 }])
      const { high } = await reader.watermarks(at)
      reader.assign([{ ...at, position: 'earliest' }])
      const values: number[] = []
      const deadline = Date.now() + 60_000
      while ((reader.position(at) ?? -1) < high && Date.now() < deadline) {
        values.push(...(await reader.poll(500, 50)).map(({ value }) => Number(textOf(value))))
        await new Promise(setImmediate)
      }
      return { position: committed!.position ?? 0, values }
    }
    const watch = async (): Promise<void> => {
      for (let isLast = false; !isLast;) {
        isLast = writer.isDone
        const { position, values } = await restore()
        expect(values.slice(0, position)).toEqual(Array.from({ length: position }, (_, i) => i + 1))
        if (isLast) expect(position).toBe(rounds)
      }
    }
    await Promise.all([write().finally(() => (writer.isDone = true)), watch()])
  })

  it('takes the positions of many partitions at once, though their metadata is more than one request may carry', async (test) => {
    const partitions = 120
    const about = await given(test, { partitions })
    const { topic, producer, positionAt, onlooker } = about
    const member = await owner(test, about, partitions)
    const wide = String.fromCharCode(...Array.from({ length: 4000 }, (_, i) => 0x800 + ((i * 7919) % 0x4000)))
    producer.begin()
    const positions = Array.from({ length: partitions }, (_, at) => positionAt(at + 1, wide, at))
    await producer.sendPositions(member.consumer, positions)
    await producer.commit()
    const consumer = await onlooker()
    expect(await consumer.committed(positions.map(({ partition }) => ({ topic, partition })))).toEqual(positions)
  })

  it('lives beside positions that are stored: each partition has what was said of it', async (test) => {
    const about = await given(test, { partitions: 2 })
    const { topic, producer, positionAt, onlooker } = about
    const member = await owner(test, about, 2)
    member.consumer.storePositions([positionAt(3, 'stored', 1)])
    producer.begin()
    await producer.sendPositions(member.consumer, [positionAt(4, 'sent')])
    await producer.commit()
    await until('a commit', () => member.commits.some(({ result }) => result === 'accepted'))
    const consumer = await onlooker()
    expect(
      await consumer.committed([
        { topic, partition: 0 },
        { topic, partition: 1 },
      ]),
    ).toEqual([positionAt(4, 'sent'), positionAt(3, 'stored', 1)])
  })

  it('asks only whether it is a member: whose partition it is, and whether the position grows, it does not', async (test) => {
    const about = await given(test, { partitions: 2 })
    const { topic, groupId, producer, positionAt, onlooker } = about
    const first = await joined(test, about.broker, topic)
    const second = await joined(test, currentWorld().broker(groupId), topic)
    await until('a partition each', () => first.assigned.size === 1 && second.assigned.size === 1)
    const { partition } = [...first.assigned.values()][0]!
    const consumer = await onlooker()
    for (const [member, position] of [
      [first, 9],
      [second, 4],
    ] as const) {
      await again(producer, () => producer.sendPositions(member.consumer, [positionAt(position, '', partition)]))
      expect(await consumer.committed([{ topic, partition }])).toMatchObject([{ position }])
    }
  })

  it('refuses the positions of who has left, and goes on after the abort', async (test) => {
    const about = await given(test)
    const { topic, groupId, producer, positionAt, record } = about
    const gone = await Member.join(about.broker, [topic])
    await until('all partitions', () => gone.assigned.size === 1)
    await gone.leave()
    producer.begin()
    await producer.send([record('refused')])
    await expect(producer.sendPositions(gone.consumer, [positionAt(1)])).rejects.toMatchObject({
      fault: 'not-a-member',
    })
    await producer.abort()
    const member = await joined(test, currentWorld().broker(groupId), topic)
    await until('all partitions', () => member.assigned.size === 1)
    expect(await member.consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position: null }])
    await again(producer, () => producer.sendPositions(member.consumer, [positionAt(2)]))
    expect(await member.consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position: 2 }])
  })

  it('refuses the positions of a member that was expelled until it has answered for them; then takes them, whoever has the partition', async (test) => {
    const { expelMembers } = currentWorld()
    if (expelMembers === undefined) return test.skip('nobody can be expelled here by hand')
    const about = await given(test)
    const { topic, groupId, producer, positionAt, onlooker } = about
    const zombie = await owner(test, about)
    zombie.held.add('revoke')
    await expelMembers(groupId)
    const heir = await joined(test, currentWorld().broker(groupId), topic)
    await until('the heir has the partition', () => heir.assigned.size === 1)
    await until('the loss', () => zombie.events.some(({ type }) => type === 'revoke'))
    producer.begin()
    const late = producer.sendPositions(zombie.consumer, [positionAt(1, 'zombie')])
    await expect(late).rejects.toMatchObject({
      fault: expect.stringMatching(/^(not-a-member|stale-generation)$/) as string,
    })
    await producer.abort()
    const heirs = about.successor()
    await heirs.connect()
    await again(heirs, () => heirs.sendPositions(heir.consumer, [positionAt(9, 'heir')]))
    // From here on only who asks whether the epoch has ended keeps these out.
    const loss = zombie.events.find(({ type }) => type === 'revoke')!
    zombie.answer(loss)
    await producer.connect()
    await again(producer, () => producer.sendPositions(zombie.consumer, [positionAt(1, 'zombie')]))
    const consumer = await onlooker()
    expect(await consumer.committed([{ topic, partition: 0 }])).toEqual([positionAt(1, 'zombie')])
  })

  it('says that the generation is stale, at most, while members come and go: the same again is then taken', async (test) => {
    const about = await given(test, { partitions: 4 })
    const { topic, groupId, producer, positionAt, record } = about
    const member = await owner(test, about, 4)
    const churn = { isOver: false }
    const coming = (async () => {
      for (let round = 0; round < 2; round += 1) {
        const other = await Member.join(currentWorld().broker(groupId), [topic])
        await until('half each', () => other.assigned.size === 2 && member.assigned.size === 2)
        await other.leave()
        await until('all again', () => member.assigned.size === 4)
      }
    })().finally(() => (churn.isOver = true))
    let position = 0
    while (!churn.isOver) {
      position += 1
      await again(producer, async () => {
        await producer.send([record(`${position}`, position % 4)])
        await producer.sendPositions(member.consumer, [positionAt(position)])
      })
    }
    await coming
    expect(await member.consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position }])
    const values = valuesOf(await visible(topic, position)).map(Number)
    expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: position }, (_, i) => i + 1))
  })
}
