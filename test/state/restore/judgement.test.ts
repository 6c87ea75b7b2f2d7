import { describe, expect, test } from 'vitest'
import type { ChangelogMeta } from '../../../src/state/changelog-format.ts'
import { findMismatch, hasMovedOn } from '../../../src/state/restore/judgement.ts'

const meta: ChangelogMeta = { checkpoint: 7, streamTime: null, inputId: 11, changelogId: 12 }
const ids = { inputId: 11, changelogId: 12 }
const nothing = { isCommitted: false, checkpoint: null }
const committed = (checkpoint: number | null) => ({ isCommitted: true, checkpoint })

describe('the state is that of the position', () => {
  test.each([
    ['of the same checkpoint', committed(7), meta, ids],
    ['where there is neither', nothing, null, ids],
    ['where nobody knows the topics', committed(7), { ...meta, inputId: 0, changelogId: 0 }, ids],
    ['where the brokers do not tell them', committed(7), meta, { inputId: 0, changelogId: 0 }],
  ])('%s', (_, position, stands, now) => {
    expect(findMismatch(position, stands, now)).toBeNull()
  })
})

describe('the state is not that of the position', () => {
  test.each([
    ['a changelog that was emptied', committed(7), null, ids, 'with checkpoint 7, and the changelog is empty', false],
    ['a position of before there was state', committed(null), null, ids, 'the changelog is empty', false],
    ['a changelog that ends before the commit', committed(8), meta, ids, 'stands at checkpoint 7', false],
    ['a position that somebody has set', committed(null), meta, ids, 'committed without one', false],
    ['positions that were forgotten', nothing, meta, ids, 'no position is committed', false],
    ['an input that was made anew', committed(7), meta, { ...ids, inputId: 5 }, 'the input topic', true],
    ['a changelog that was copied', committed(7), meta, { ...ids, changelogId: 5 }, 'the changelog is a copy', true],
  ])('%s', (_, position, stands, now, reason, isOfOtherTopic) => {
    const mismatch = findMismatch(position, stands, now)
    expect(mismatch?.reason).toContain(reason)
    expect(mismatch?.isOfOtherTopic).toBe(isOfOtherTopic)
  })
})

test.each([
  [committed(7), committed(7), false],
  [committed(7), committed(8), true],
  [committed(null), committed(1), true],
  [nothing, committed(1), true],
  [nothing, nothing, false],
])('whoever commits moves the position on: from %o to %o', (known, now, hasMoved) => {
  expect(hasMovedOn(known, now)).toBe(hasMoved)
})
