import { describe, expect, it } from 'vitest'
import { StateValue } from '../../src/state/state-value.ts'

const written = (value: number | boolean | null, timeMs: number | null = null) => {
  const { bytes, live, payload } = StateValue.ofPrimitive(value, timeMs)
  return { live, payload: Buffer.from(payload).toString(), again: StateValue.read(bytes).timeMs }
}

describe('a value of a state', () => {
  it('is what was set, whether keys share it or not', () => {
    for (const value of [0, 1, 1_023, 1_024, -1, 1.5, 2 ** 53 - 1, true, null]) {
      expect(written(value)).toEqual({ live: value, payload: JSON.stringify(value), again: null })
      expect(written(value)).toEqual({ live: value, payload: JSON.stringify(value), again: null })
    }
  })

  it('that was set at a time is not shared with others', () => {
    expect(written(7, 1_000)).toEqual({ live: 7, payload: '7', again: 1_000 })
    expect(written(7, 2_000)).toEqual({ live: 7, payload: '7', again: 2_000 })
    expect(written(7)).toEqual({ live: 7, payload: '7', again: null })
  })

  it('reads as 0 where it was -0, as it does from a store', () => {
    expect(written(-0)).toEqual({ live: 0, payload: '0', again: null })
    expect(written(0)).toEqual({ live: 0, payload: '0', again: null })
  })
})
