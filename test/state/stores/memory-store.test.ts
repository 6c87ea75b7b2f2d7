import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Arena } from '../../../src/state/stores/memory/arena.ts'
import { HashIndex, NO_ADDRESS } from '../../../src/state/stores/memory/hash-index.ts'
import { keyHash } from '../../../src/state/stores/memory/key-hash.ts'
import { MemoryStores } from '../../../src/state/stores/memory/memory-store.ts'
import { describeStoreContract } from '../../contract/store-contract.ts'

describe('the store in memory', () => {
  describeStoreContract({ stores: (_test, clock) => Promise.resolve(new MemoryStores(clock)), manyKeys: 60_000 })
})

describe('the index of a store in memory', () => {
  const isSought = (address: number, sought: number): boolean => address === sought

  it.each([
    ['all the same', () => 0xffff_ffff],
    ['the same in their first 20 bits', (address: number) => 0xabcd_e000 + (address % 4_096)],
    ['the same in their last 20 bits', (address: number) => ((address % 4_096) << 20) >>> 0],
    ['one behind the other', (address: number) => address],
  ])('finds every entry when hashes are %s', (_, hashOf) => {
    const index = new HashIndex()
    const count = 6_000
    for (let address = 1; address <= count; address++) index.add(hashOf(address), address)
    for (let address = 1; address <= count; address += 2) index.remove(hashOf(address), address)
    for (let address = 1; address <= count; address++) {
      const found = index.find(hashOf(address), isSought, address)
      if (found !== (address % 2 === 0 ? address : NO_ADDRESS)) throw new Error(`${address}: ${found}`)
    }
  })

  it('is the model, while tables split and are joined', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(40), fc.nat(2_000)), { maxLength: 60 }), (steps) => {
        const index = new HashIndex()
        const model = new Set<number>()
        const hashOf = (address: number): number => keyHash(Uint8Array.of(address, address >> 8), 0, 2, 1)
        // Whole stretches come and go, so that a few steps are enough for it to grow and to shrink.
        for (const [isAdded, start, length] of steps) {
          for (let address = start * 100 + 1; address <= start * 100 + length; address++) {
            if (isAdded === model.has(address)) continue
            if (isAdded) index.add(hashOf(address), address)
            else index.remove(hashOf(address), address)
            if (isAdded) model.add(address)
            else model.delete(address)
          }
        }
        const all: number[] = []
        for (let hash = 0; hash < 2 ** 32;) {
          const { addresses, next } = index.tableFrom(hash)
          all.push(...addresses)
          hash = next
        }
        expect(all.sort((one, other) => one - other)).toEqual([...model].sort((one, other) => one - other))
        for (let address = 1; address < 6_001; address++) {
          expect(index.find(hashOf(address), isSought, address) !== NO_ADDRESS).toBe(model.has(address))
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('the bytes of a store in memory', () => {
  it('are the same after each compaction, and where it says', () => {
    const arena = new Arena()
    const model = new Map<string, { address: number; value: string }>()
    const keyOf = new Map<number, string>()
    const removed = (key: string): void => {
      const { address } = model.get(key)!
      arena.remove(address)
      keyOf.delete(address)
      model.delete(key)
    }
    for (let round = 0; round < 60_000; round++) {
      const key = `key ${(round * 7_919) % 3_000}`
      if (model.has(key)) removed(key)
      if (round % 5 !== 0) {
        const value = String(round).repeat((round % 97) + (round % 1_000 === 1 ? 20_000 : 0))
        const address = arena.add(Buffer.from(key), Buffer.from(value))
        model.set(key, { address, value })
        keyOf.set(address, key)
      }
      while (arena.isWasteful) {
        arena.compact((from, to) => {
          const moved = keyOf.get(from)!
          keyOf.delete(from)
          keyOf.set(to, moved)
          model.get(moved)!.address = to
        })
      }
    }
    for (const [key, { address, value }] of model) {
      if (arena.keyOf(address).toString() !== key || arena.valueOf(address).toString() !== value) throw new Error(key)
    }
    const live = [...model].reduce((sum, [key, { value }]) => sum + key.length + value.length + 16, 0)
    expect(arena.byteCount).toBeLessThan(live * 1.5 + 2 ** 20)
  })
})
