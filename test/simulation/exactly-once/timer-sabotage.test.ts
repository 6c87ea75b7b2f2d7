/** The simulation against engines whose timers go wrong: a net that catches nothing proves nothing. */
import { afterEach, expect, test, vi } from 'vitest'
import { FiredTimers } from '../../../src/actors/fired-timers.ts'
import { KeyedTimers } from '../../../src/state/keyed-timers.ts'
import { findBroken } from '../sabotage.ts'
import type { World } from '../world.ts'
import { makeTransactionWorld } from './transaction-worlds.ts'

const setsTimers = ({ state }: World): boolean => state?.timers === true

afterEach(() => {
  vi.restoreAllMocks()
})

test('timers that a record does not wait for', async () => {
  vi.spyOn(KeyedTimers.prototype, 'firstOf').mockReturnValue(null)
  expect(await findBroken('timersFireOnceInOrder', {}, setsTimers, makeTransactionWorld)).not.toBeNull()
})

test('timers that are set still when they have fired', async () => {
  vi.spyOn(FiredTimers.prototype, 'verdictOn').mockImplementation((_, verdict) => verdict)
  expect(await findBroken('timersFireOnceInOrder', {}, setsTimers, makeTransactionWorld)).not.toBeNull()
})

test('timers that a restart forgets', async () => {
  vi.spyOn(KeyedTimers.prototype, 'load').mockReturnValue()
  expect(await findBroken('timersFireOnceInOrder', {}, setsTimers, makeTransactionWorld)).not.toBeNull()
})
