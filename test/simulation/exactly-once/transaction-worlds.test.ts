/** Random worlds whose app is exactly-once: `npm run simulate -- --exactly-once --seed 4711` replays one. */
import { expect, test } from 'vitest'
import { troupe } from '../engine-under-test.ts'
import { play } from '../play.ts'
import { makeTransactionWorld } from './transaction-worlds.ts'

const WORLDS = 150

test(`worlds 1 to ${WORLDS} hold when the app is exactly-once, with crashes between any two steps of a transaction`, async () => {
  const failures: string[] = []
  for (let seed = 1; seed <= WORLDS && failures.length < 5; seed += 1) {
    const { violations } = await play(makeTransactionWorld(seed), troupe)
    if (violations.length > 0) {
      failures.push(`npm run simulate -- --exactly-once --seed ${seed}\n  ${violations.join('\n  ')}`)
    }
  }
  expect(failures).toEqual([])
}, 1_200_000)
