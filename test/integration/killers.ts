/** Records that end or hold their thread (`kill` in `members/copy.mjs`), and what must have become of them. */
import { expect } from 'vitest'
import { headerText } from '../support/kafka-probe.ts'
import type { CopyFlow } from './copy-flow.ts'
import type { MemberProcess } from './member-process.ts'

/** What the dead letter of each kind says. */
const obituaries = {
  exit: { code: 'THREAD_DIED', words: /exited with code 3/ },
  error: { code: 'THREAD_DIED', words: /nobody catches/ },
  // V8 collects again and again before it gives up: on a busy machine the time-out may come first. threads/bad-threads.test.ts is strict.
  memory: { code: expect.stringMatching(/^(THREAD_DIED|HANDLER_TIMEOUT)$/) as string, words: /memory|held its thread/ },
  loop: { code: 'HANDLER_TIMEOUT', words: /held its thread/ },
}
export type Killer = keyof typeof obituaries

const threads = 2
const attempts = 2

/** For the members of a flow with killers: a small heap, a short time-out, two threads, two attempts. */
export const killerEnv = {
  APP_OPTIONS: JSON.stringify({ threads: { count: threads, maxHeapMb: 48 } }),
  ACTOR_OPTIONS: JSON.stringify({ handlerTimeoutMs: 1_000, retry: { attempts, backoffMs: 20 } }),
}

/** Each killer, and nothing else, is dead-lettered, after its attempts and with its cause. Returns how many letters are repeats. */
export async function expectKillersDead(flow: CopyFlow): Promise<number> {
  const killers = await flow.readKillers()
  const letters = await flow.readDeadLetters()
  expect([...new Set(letters.map(({ id }) => id))].sort()).toEqual([...killers.keys()].sort())
  for (const { id, record } of letters) {
    const { code, words } = obituaries[killers.get(id) as Killer]
    const said = ['attempts', 'error-code', 'error-message'].map((name) => headerText(record, `troupe.${name}`))
    expect(said, id).toEqual([String(attempts), code, expect.stringMatching(words)])
  }
  return letters.length - killers.size
}

/** All threads are there again and have nothing to do, and the member is well. */
export async function expectRecovered(member: MemberProcess): Promise<void> {
  const count = (state: string): Promise<number> => member.metric('troupe_threads', { state })
  const counts = async (): Promise<number[]> => [await count('idle'), await count('busy'), await count('starting')]
  await expect.poll(counts, { timeout: 60_000, interval: 100 }).toEqual([threads, 0, 0])
  expect(await member.health()).toEqual({ healthy: true, status: 'ok', reasons: [] })
}
