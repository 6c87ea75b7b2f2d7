/** A process that was stopped (SIGSTOP, a suspended machine) blames none of its threads for the time that it did not have. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const RECORDS = 300
/** Far longer than a record may take (1 s) and the watchdog's grace (1 s) together. */
const STOP_MS = 6_000

test('after a stop in the middle of its work every record is handled once, by the same threads', async () => {
  const script = fileURLToPath(new URL('stood-still.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, `${RECORDS}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  expect((await lines.next()).value).toBe('working')
  child.kill('SIGSTOP')
  await sleep(STOP_MS)
  child.kill('SIGCONT')
  const counted = JSON.parse(String((await lines.next()).value)) as unknown
  expect(counted).toEqual({ attempts: RECORDS, failures: 0, threadRestarts: 0 })
  expect((await ended)[0]).toBe(0)
})
