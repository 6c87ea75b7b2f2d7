import { expect, test } from 'vitest'
import { liftedHeapLimit } from '../../../src/actors/threads/heap-limit.ts'

const none = { limitMb: 112, youngMb: 48, flags: [] }

test.each([
  { what: 'nothing lifts it', heap: none },
  { what: 'there is less room for new objects', heap: { ...none, limitMb: 70 } },
  {
    what: 'a flag makes more room for new objects',
    heap: { ...none, limitMb: 256, flags: ['--max-semi-space-size=64'] },
  },
])('a limit is in force where $what', ({ heap }) => {
  expect(liftedHeapLimit(64, heap)).toBeNull()
})

test.each([
  { flag: '--max-old-space-size', flags: ['', '--max-old-space-size=4096'], limitMb: 4144 },
  { flag: '--max_old_space_size', flags: ['--enable-source-maps', '--max_old_space_size=128'], limitMb: 176 },
  { flag: '--max-heap-size', flags: ['--max-heap-size', '2000'], limitMb: 2000 },
  { flag: '--max-old-space-size-percentage', flags: ['--max-old-space-size-percentage=50'], limitMb: 12_000 },
  { flag: '--max-old-space-size', flags: ['--max-old-space-size=40'], limitMb: 88 },
  { flag: 'set while running', flags: [], limitMb: 560 },
])('one that is not, because of $flags, is told with the flag', ({ flag, flags, limitMb }) => {
  const lifted = liftedHeapLimit(64, { limitMb, youngMb: 48, flags })
  expect(lifted?.code).toBe('OPTIONS_INVALID')
  expect(lifted?.message).toContain(flag)
  expect(lifted?.message).toContain(`${limitMb} MiB`)
})
