/** What the embedded schema registry promises is what a real one does: the same contract, on one that is not ours. */
import { afterAll, beforeAll, describe } from 'vitest'
import { describeRegistryContract } from '../contract/schema-registry.ts'
import { registryIsAvailable, startRealRegistry } from '../support/real-registry.ts'

describe.skipIf(!registryIsAvailable)('real', () => {
  let registry: Awaited<ReturnType<typeof startRealRegistry>>
  beforeAll(async () => {
    registry = await startRealRegistry()
  })
  afterAll(() => registry.stop())

  describeRegistryContract(() => ({
    url: registry.url,
    // Apicurio, in either line of versions that we start.
    has: { canonicalTexts: false, noneOfOneSubject: false, messages: false, allCodes: false },
  }))
})
