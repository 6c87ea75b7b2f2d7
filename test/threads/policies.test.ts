/** `onError` runs where the handler runs, and its verdict crosses. */
import { afterEach, expect, test } from 'vitest'
import { fixtureUrl, scripts, startPool, until, type PoolSettings } from './pool-fixture.ts'

let running: Awaited<ReturnType<typeof startPool>> | undefined

async function start(settings: PoolSettings = {}) {
  running = await startPool(fixtureUrl('policies.js'), { ...settings, threads: { count: 1 } })
  const { lines } = running
  const handled = (): unknown[] =>
    lines.filter(({ message }) => message === 'handled').map(({ fields }) => fields['id'])
  return { ...running, handled }
}

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

/** All of one key, so that they share a lane and a batch. */
const oneKey = (values: object[]) => scripts(values).map((record) => ({ ...record, key: Buffer.from('k') }))

test('behind a parked record nothing of its lane has run; a decision lets it go on in order', async () => {
  const { actorOf, finished, handled, results, send } = await start()
  send(oneKey([{}, { code: 'E_PARK' }, {}]))
  // A line may come after the reply of its batch: they use two ports.
  await until(() => actorOf(0).parked().length === 1 && handled().length >= 2)
  expect(handled()).toEqual(['scripts/0/0', 'scripts/0/1'])
  actorOf(0).decide('scripts/0/1', 'retry')
  await finished()
  expect(results().map(({ id }) => id)).toEqual(['scripts/0/0', 'scripts/0/1', 'scripts/0/2'])
})

test("failedRecords of the actor reach the thread: what onError does not decide is the actor's", async () => {
  const { actorOf, handled, send } = await start({
    actor: { failedRecords: 'park', retry: { attempts: 1, backoffMs: 0, maxBackoffMs: 0, jitter: 0 } },
  })
  send(oneKey([{ code: 'E_OTHER' }, {}]))
  await until(() => actorOf(0).parked().length === 1 && handled().length >= 1)
  expect(actorOf(0).parked()).toMatchObject([{ error: { code: 'E_OTHER' }, waitingBehind: 1 }])
  expect(handled()).toEqual(['scripts/0/0'])
})

test('what does not decode is asked about, too, and the lane goes on behind it', async () => {
  const { deadLetters, finished, results, send } = await start()
  const [first, second] = oneKey([{}, {}])
  send([{ ...first!, value: Buffer.from('{') }, second!])
  await finished()
  expect(results().map(({ id }) => id)).toEqual(['scripts/0/1'])
  expect(deadLetters()).toEqual([])
})

test('an error that is tried again without limit crosses as such: its record outlasts all attempts, in order', async () => {
  const { deadLetters, finished, results, send } = await start({
    actor: { retry: { attempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } },
  })
  send(oneKey([{}, { code: 'E_DOWN', failures: 20 }, {}]))
  await finished()
  expect(results().map(({ id }) => id)).toEqual(['scripts/0/0', 'scripts/0/1', 'scripts/0/2'])
  expect(deadLetters()).toEqual([])
})

test('stop and escalate stop the actor', async () => {
  const { actorOf, fatal, send } = await start()
  send(scripts([{ code: 'E_STOP' }]))
  await until(() => actorOf(0).halt !== null)
  send(scripts([{ code: 'E_ESCALATE' }]).map((record) => ({ ...record, partition: 1 })))
  await until(() => actorOf(1).halt !== null)
  expect(fatal).toMatchObject([{ code: 'ESCALATED' }])
})
