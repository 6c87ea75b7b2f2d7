import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { silentLog } from '../../../src/log.ts'
import { DiskStores } from '../../../src/state/stores/disk/disk-stores.ts'
import { describeStoreContract } from '../../contract/store-contract.ts'

describe('the store on disk', () => {
  describeStoreContract({
    async stores(test, clock) {
      const directory = mkdtempSync(join(tmpdir(), 'troupe-state-'))
      const stores = await DiskStores.open({ directory, clock, log: silentLog })
      test.onTestFinished(async () => {
        await stores.close()
        rmSync(directory, { recursive: true })
      })
      return stores
    },
    manyKeys: 20_000,
  })
})
