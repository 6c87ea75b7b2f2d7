import { expect, test } from 'vitest'
import { loadShared, sharedBy } from '../../../src/actors/handlers/shared-data.ts'

test('what a loader returns is copied into shared memory, and seen as a Buffer', async () => {
  const bytes = Buffer.from('xxgeoxx').subarray(2, 5)
  const data = await loadShared({ geo: () => bytes, late: () => Promise.resolve(new Uint8Array([1, 2])) })
  const shared = sharedBy(data)
  expect(shared('geo').toString()).toBe('geo')
  expect([...shared('late')]).toEqual([1, 2])
  expect(shared('geo').buffer).toBeInstanceOf(SharedArrayBuffer)
  // One copy, which the original is not part of.
  expect(shared('geo').buffer).toBe(shared('geo').buffer)
  expect(bytes.toString()).toBe('geo')
})

test('a name that nobody shares is an error that tells which there are', async () => {
  const shared = sharedBy(await loadShared({ geo: () => Buffer.alloc(1), rates: () => Buffer.alloc(1) }))
  expect(() => shared('Geo')).toThrow('no shared data is named Geo; the app shares geo, rates')
  expect(() => shared('toString')).toThrow('no shared data is named toString')
  expect(() => sharedBy({})('geo')).toThrow('the app shares nothing')
})

test('a loader that fails is one error that names it', async () => {
  await expect(
    loadShared({
      geo: () => {
        throw new Error('no such file')
      },
    }),
  ).rejects.toMatchObject({ code: 'SHARED_NOT_LOADED', message: 'the shared data geo does not load: no such file' })
  await expect(loadShared({ geo: () => 'text' as unknown as Uint8Array })).rejects.toMatchObject({
    code: 'SHARED_NOT_LOADED',
    message: 'the loader of the shared data geo returned no Buffer or Uint8Array',
  })
})
