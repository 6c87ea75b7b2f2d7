import { describe, expect, test } from 'vitest'
import { hashOf, hashedKey, plainKey } from '../../src/actors/key-text.ts'
import { keyHash } from '../../src/streams/record-id.ts'

describe('a key', () => {
  test('is shown as the start of its SHA-256, as sha256sum gives it: the same in every process', () => {
    // printf %s 'user 7' | sha256sum
    expect(hashedKey(Buffer.from('user 7'))).toBe('sha256:08ae6a73238f8fe2')
    expect(hashedKey(Buffer.alloc(0))).toBe('sha256:e3b0c44298fc1c14')
    expect(hashedKey(null)).toBeNull()
  })

  test('that is cut when shown has a hash of all of it', () => {
    const long = 'x'.repeat(1000)
    expect(plainKey(Buffer.from(`${long}1`))).toBe(plainKey(Buffer.from(`${long}2`)))
    expect(hashedKey(Buffer.from(`${long}1`))).not.toBe(hashedKey(Buffer.from(`${long}2`)))
  })

  test('is meant by its text, its bytes or its hash as it is shown', () => {
    const hash = keyHash('é')
    const shown = hashedKey(Buffer.from('é')) ?? ''
    expect([hashOf('é'), hashOf(Buffer.from('é')), hashOf({ hash }), hashOf({ hash: shown })]).toEqual(
      Array(4).fill(hash),
    )
  })

  test('that looks like a hash is a key all the same', () => {
    expect(hashOf('sha256:08ae6a73238f8fe2')).not.toBe('08ae6a73238f8fe2')
  })
})
