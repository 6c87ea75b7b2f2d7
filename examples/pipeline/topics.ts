/** The topics that a pipeline needs. Existing ones are used as they are. */
import type { Kafka } from 'kafkajs'

/** Creates the missing ones, with as many copies as the cluster makes by itself. Returns their names. */
export async function createMissingTopics(
  kafka: Kafka,
  names: readonly string[],
  partitions: number,
): Promise<readonly string[]> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const existing = new Set(await admin.listTopics())
    const missing = names.filter((name) => !existing.has(name))
    await admin.createTopics({
      waitForLeaders: true,
      topics: missing.map((topic) => ({ topic, numPartitions: partitions, replicationFactor: -1 })),
    })
    return missing
  } finally {
    await admin.disconnect()
  }
}

/** The embedded broker has no request for it; a topic comes into being when it is asked for. */
export async function touchTopics(kafka: Kafka, names: readonly string[]): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: true })
  await producer.connect()
  await producer.sendBatch({ topicMessages: names.map((topic) => ({ topic, messages: [] })) })
  await producer.disconnect()
}
