import type { Admin, Consumer, Kafka } from 'kafkajs'
import { KafkaJSNonRetriableError, KafkaJSProtocolError } from 'kafkajs'
import { expect, test } from 'vitest'
import { TopicReader } from './topic-reader.ts'

/** A broker that is still finding out who leads what. */
const notYet = (): Error => {
  const error = { type: 'NOT_COORDINATOR', code: 16, retriable: true, message: 'This is not the correct coordinator' }
  return new KafkaJSProtocolError(Object.assign(new Error(error.message), error))
}

/** Answers as a topic of one partition whose three records are committed; each question fails first with what `failures` has. */
function kafkaThat(failures: Partial<Record<'ends' | 'committed', Error[]>>): Kafka {
  const orFail = <Answer>(question: 'ends' | 'committed', answer: Answer): Promise<Answer> => {
    const error = failures[question]?.shift()
    return error === undefined ? Promise.resolve(answer) : Promise.reject(error)
  }
  const admin: Partial<Admin> = {
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    deleteGroups: () => Promise.resolve([]),
    fetchTopicOffsets: () => orFail('ends', [{ partition: 0, offset: '3', high: '3', low: '0' }]),
    fetchOffsets: () =>
      orFail('committed', [{ topic: 'clicks', partitions: [{ partition: 0, offset: '3', metadata: null }] }]),
  }
  const consumer: Partial<Consumer> = { disconnect: () => Promise.resolve() }
  return { admin: () => admin, consumer: () => consumer } as Partial<Kafka> as Kafka
}

test('asks again where a broker says that it cannot tell yet', async () => {
  const reader = await TopicReader.open(kafkaThat({ ends: [notYet()], committed: [notYet()] }), ['clicks'])
  expect(await reader.hasCaughtUp('clicks-group', 'clicks')).toBe(true)
  await reader.stop()
})

test('says at once what no other attempt would change', async () => {
  const refused = new KafkaJSNonRetriableError('Topic authorization failed')
  await expect(TopicReader.open(kafkaThat({ ends: [refused] }), ['clicks'])).rejects.toThrow(refused)
})
