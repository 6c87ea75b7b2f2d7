/** Timers of handlers on real threads: main holds them and fires them, a thread is told which one it is. */
import { afterEach, expect, test } from 'vitest'
import { fixtureUrl, scripts, startPool, until } from './pool-fixture.ts'

let running: Awaited<ReturnType<typeof startPool>> | undefined

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

test.each(['stream', 'wall'] as const)(
  'a timer by the %s clock is set and fires on a thread, retries and all',
  async (clock) => {
    running = await startPool(fixtureUrl('timing.js'))
    const { actorOf, manifests, results, send } = running
    expect(manifests[0]!.timers).toEqual(['reminder'])

    send(scripts([{ n: 0, atMs: 500, clock }], { key: () => 'a' }))
    await until(() => results().length === 2)

    expect(results()).toEqual([{ n: 0 }, { name: 'reminder', atMs: 500, attempt: 2, clock, key: 'a', id: 7 }])
    await until(() => actorOf(0).heldRecords === 0)
    expect(actorOf(0).state!.timers!.size).toBe(0)
  },
)
