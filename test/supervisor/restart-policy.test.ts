import { expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { RestartPolicy } from '../../src/supervisor/restart-policy.ts'

const handler = defineHandler({ input: topic('clicks', { value: text }), handle: () => done() })
const { restart } = resolveOptions({
  kafka: { brokers: 'fake:9092', groupId: 'group' },
  actors: [{ name: 'count', handler }],
})

/** Until it escalates, each life and its back-off after the other; at most so many. */
function countFailures(lifeMs: number, max = 100): number {
  const policy = new RestartPolicy(restart)
  let now = 0
  for (let failures = 1; failures < max; failures += 1) {
    now += lifeMs
    const delayMs = policy.noteFailure(now)
    if (delayMs === null) return failures
    now += delayMs
  }
  return max
}

test.each([0, 6_000, 30_000])('by default, what fails again after %d ms each time is given up', (lifeMs) => {
  expect(countFailures(lifeMs)).toBe(6)
})

test('what fails once in a few minutes is not', () => {
  expect(countFailures(100_000)).toBe(100)
})
