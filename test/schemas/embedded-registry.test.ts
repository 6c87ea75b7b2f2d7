/** The embedded schema registry keeps the contract that a real one keeps (test/integration/schema-registry.test.ts). */
import { afterAll, beforeAll, describe } from 'vitest'
import { startEmbeddedSchemaRegistry, type EmbeddedSchemaRegistry } from '../../src/testing.ts'
import { describeRegistryContract } from '../contract/schema-registry.ts'

let registry: EmbeddedSchemaRegistry
beforeAll(async () => {
  registry = await startEmbeddedSchemaRegistry()
})
afterAll(() => registry.stop())

describe('embedded', () => {
  describeRegistryContract(() => ({
    url: registry.url,
    has: { canonicalTexts: true, noneOfOneSubject: true, messages: true, allCodes: true },
  }))
})
