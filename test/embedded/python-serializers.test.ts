/** What Python's Confluent serializers write and read, and we: by way of the embedded registry, which both ask. */
import { afterAll, beforeAll, describe } from 'vitest'
import { startEmbeddedSchemaRegistry, type EmbeddedSchemaRegistry } from 'troupe/embedded'
import { describePythonContract } from '../contract/python-serializers.ts'
import { sharedValues } from '../contract/python-values.ts'
import { pythonIsAvailable } from '../support/python-peer.ts'

describe.skipIf(!pythonIsAvailable)("Python's Confluent serializers, by the embedded registry", () => {
  let registry: EmbeddedSchemaRegistry
  beforeAll(async () => {
    registry = await startEmbeddedSchemaRegistry()
  })
  afterAll(() => registry.stop())

  describePythonContract(() => registry.url, sharedValues)
})
