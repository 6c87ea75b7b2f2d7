/** What the watch over assigned topics asks and tells, with a client that is played by hand. */
import { beforeEach, describe, expect, test } from 'vitest'
import { OpenWaits } from '../../../../src/metrics/open-waits.ts'
import { TopicWatch } from '../../../../src/streams/kafka/consumer/topic-watch.ts'
import type { NativeAdmin } from '../../../../src/streams/kafka/native.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'

const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'
const place = { topic: 't', partition: 0 }

describe('the watch over assigned topics', () => {
  let clock: ManualClock
  let watch: TopicWatch
  /** Of the topic at the brokers; null while they do not answer. */
  let id: string | null
  let asked: number
  let replaced: string[]

  beforeEach(() => {
    clock = new ManualClock()
    id = 'first'
    asked = 0
    replaced = []
    const admin = {
      describeTopics: (
        _topics: readonly string[],
        _options: object,
        done: (error: object | null, found?: object) => void,
      ) => {
        asked += 1
        if (id === null) done({ code: -185, message: 'timed out' })
        else done(null, [{ name: 't', topicId: { base64: id }, partitions: [{}] }])
      },
    }
    watch = new TopicWatch({
      clock,
      waits: new OpenWaits(clock),
      admin: () => admin as unknown as NativeAdmin,
      count: () => Promise.resolve(new Map([['t', 1]])),
      onReplaced: (_partition, message) => void replaced.push(message),
    })
  })

  /** As polls do. */
  const lookFor = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      watch.look()
      await clock.advance(1_000)
    }
  }

  test('a topic that is made again is told of', async () => {
    await watch.describe(['t'])
    watch.noteAssigned([place])
    await lookFor(6_000)
    id = 'second'
    await lookFor(6_000)
    expect(replaced[0]).toContain('its id was first and is second')
  })

  test('a question that failed when partitions were assigned does not end the watch over them', async () => {
    id = null
    expect((await watch.describe(['t'])).get('t')).toEqual({ id: null, partitions: 1 })
    watch.noteAssigned([place])
    id = 'first'
    await lookFor(70_000)
    expect(replaced).toEqual([])
    id = 'second'
    await lookFor(6_000)
    expect(replaced[0]).toContain('its id was first and is second')
  })

  test('what was given back before its id was learned is watched no more', async () => {
    id = null
    await watch.describe(['t'])
    watch.noteAssigned([place])
    watch.forget(['t/0'])
    id = 'first'
    await lookFor(70_000)
    expect(asked).toBe(1)
  })

  test('brokers that do not know of ids are asked once a minute at most', async () => {
    id = NO_ID
    await watch.describe(['t'])
    watch.noteAssigned([place])
    await lookFor(59_000)
    expect(asked).toBe(1)
    await lookFor(60_000)
    expect(asked).toBe(2)
    expect(replaced).toEqual([])
  })
})
