import type { ManualClock } from '../../src/testing/manual-clock.ts'

/** Moves the clock on until the promise has settled. */
export async function settled<Value>(clock: ManualClock, promise: Promise<Value>): Promise<Value> {
  const state = { isOver: false }
  const note = (): void => {
    state.isOver = true
  }
  promise.then(note, note)
  for (let step = 0; !state.isOver && step < 1_000; step += 1) await clock.advance(100)
  return await promise
}
