/** State and exactly-once on real Kafka, with real processes. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { KafkaProbe, kafkaIsAvailable, startKafka } from '../support/real-kafka.ts'

const firstQuestions = fileURLToPath(new URL('./members/first-questions.mjs', import.meta.url))
describe.skipIf(!kafkaIsAvailable)('exactly-once, on real Kafka', () => {
  // An app with state asks what its group has committed before it joins.
  test('a group may be the first that a new cluster hears of, while its coordinators are still made', async () => {
    const cluster = await startKafka({})
    const looks = new KafkaProbe(cluster.bootstrapServers)
    try {
      await looks.createTopic('asked', 1)
      const env = { ...process.env, BROKERS: cluster.bootstrapServers, TOPIC: 'asked' }
      const { stdout } = await promisify(execFile)(process.execPath, [firstQuestions], { env })
      expect(JSON.parse(stdout)).toEqual(Array.from({ length: 8 }, () => [[], []]))
    } finally {
      await looks.close()
      await cluster.stop()
    }
  })
})
