/** Starts one Kafka broker for all integration suites of a run, or says why there is none. */
import type { TestProject } from 'vitest/node'
import { findWhatIsMissing, startKafka } from '../../scripts/kafka-cluster.mjs'

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env['TEST_KAFKA_BROKERS']
  if (given !== undefined && given !== '') {
    project.provide('kafkaBootstrapServers', given)
    return undefined
  }
  const missing = findWhatIsMissing()
  if (missing !== undefined) {
    if (process.env['REQUIRE_KAFKA'] === '1') throw new Error(`REQUIRE_KAFKA=1, and ${missing}`)
    console.warn(`\nSuites on real Kafka are SKIPPED: ${missing}\n`)
    project.provide('kafkaBootstrapServers', '')
    return undefined
  }
  const cluster = await startKafka({ log: (line) => console.log(`kafka: ${line}`) })
  project.provide('kafkaBootstrapServers', cluster.bootstrapServers)
  return () => cluster.stop()
}
