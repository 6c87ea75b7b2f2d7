/**
 * The test kit, `troupe/testing`: a handler without a broker, a broker without Kafka, a clock
 * without waiting, a schema registry without installing one.
 */
export {
  startEmbeddedSchemaRegistry,
  type EmbeddedSchemaRegistry,
  type EmbeddedSchemaRegistryOptions,
} from './embedded/schema-registry/embedded-schema-registry.ts'
export type { EmbeddedRegistryAuth } from './embedded/schema-registry/registry-server.ts'
export { systemClock } from './clock.ts'
export { FakeBroker, type ClientOptions, type FakeBrokerOptions, type NewRecord } from './testing/broker/fake-broker.ts'
export { FakeClient } from './testing/broker/fake-client.ts'
export type { CrashStep } from './testing/broker/transactions/crash-step.ts'
export type { Latency } from './testing/broker/fake-connection.ts'
export type { FakeBrokerEvent } from './testing/broker/fake-events.ts'
export type { FakeFaults } from './testing/broker/fake-faults.ts'
export type { FakeGroup } from './testing/broker/fake-group.ts'
export type { FakeLog, FakeLogOptions } from './testing/fake-log.ts'
export { FakeDatabase, FakeSink, type FakeRow, type FakeSinkOptions, type FakeWrite } from './testing/fake-sink.ts'
export { startTestApp } from './testing/app/start-test-app.ts'
export type { CrashOptions, KeptValues, SeenLetter, TestApp, TestAppOptions } from './testing/app/test-app.ts'
export { checkpointPoints, type CheckpointPoint } from './streams/delivery/checkpoint-points.ts'
export type { BatchHarness } from './testing/batch-harness.ts'
export {
  createHarness,
  type Harness,
  type HarnessOptions,
  type SendOptions,
  type StateHarness,
} from './testing/harness.ts'
export type { OperatorHarness, OperatorOutcome, OperatorSendOptions } from './testing/operator-harness.ts'
export type { HarnessValues } from './testing/harness-state.ts'
export { openProducer, type ProducerParts } from './streams/producing/producer.ts'
export { ManualClock, type ManualClockOptions } from './testing/manual-clock.ts'
export { ProcessClock } from './testing/process-clock.ts'
export { sinkContract, type SinkCase, type SinkContractOptions, type SinkUnderTest } from './testing/sink-contract.ts'
export { Random } from './testing/random.ts'
