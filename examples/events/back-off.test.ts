import { expect, test } from 'vitest'
import { withBackOff } from './back-off.ts'

const patience = { attempts: 6, firstMs: 100, maxMs: 500 }

/** Work that fails so many times, and what it is told and waits for. */
function failing(times: number) {
  const seen = { calls: 0, waits: [] as number[], told: [] as unknown[] }
  const stop = new AbortController()
  const work = async (): Promise<string> => {
    seen.calls += 1
    if (seen.calls <= times) throw new Error(`failure ${seen.calls}`)
    return 'connected'
  }
  const surroundings = {
    signal: stop.signal,
    onRetry: (error: unknown, afterMs: number) => seen.told.push([(error as Error).message, afterMs]),
    wait: async (delayMs: number) => {
      seen.waits.push(delayMs)
      return !stop.signal.aborted
    },
  }
  return { seen, stop, surroundings, work }
}

test('waits twice as long after each failure, up to a bound, and says so', async () => {
  const { seen, surroundings, work } = failing(5)
  expect(await withBackOff(work, patience, surroundings)).toBe('connected')
  expect(seen.waits).toEqual([100, 200, 400, 500, 500])
  expect(seen.told.at(0)).toEqual(['failure 1', 100])
})

test('ends with the last error when no attempt is left', async () => {
  const { seen, surroundings, work } = failing(Infinity)
  await expect(withBackOff(work, patience, surroundings)).rejects.toThrow('failure 6')
  expect(seen.calls).toBe(6)
})

test('ends with it when nobody wants it any more, before or while it waits', async () => {
  const { seen, stop, surroundings, work } = failing(Infinity)
  const wait = async (delayMs: number) => {
    stop.abort()
    return await surroundings.wait(delayMs)
  }
  await expect(withBackOff(work, patience, { ...surroundings, wait })).rejects.toThrow('failure 1')
  await expect(withBackOff(work, patience, surroundings)).rejects.toThrow('failure 2')
  expect(seen.calls).toBe(2)
})
