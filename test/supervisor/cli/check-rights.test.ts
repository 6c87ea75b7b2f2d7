/** `troupe check --connect` of an app that is exactly-once: whether its start may do what it needs, before it begins. */
import { describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { tryHandler } from '../../../src/actors/handlers/handler-trial.ts'
import type { AppDefinition } from '../../../src/app.ts'
import { systemClock } from '../../../src/clock.ts'
import { silentLog } from '../../../src/log.ts'
import { OpenWaits } from '../../../src/metrics/open-waits.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { state } from '../../../src/state/declared-state.ts'
import type { NeededRights } from '../../../src/streams/admin-port.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { checkApp } from '../../../src/supervisor/cli/check.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import { Member } from '../../contract/contract-world.ts'
import { byRegion, perMinute } from '../../operators/regroup/regrouped-world.ts'

const counting = defineHandler({
  input: topic<number>('in'),
  outputs: [topic<number>('out')],
  state: { count: state<number>({ initial: () => 0 }) },
  handle: () => done(),
})
const copying = defineHandler({ input: topic<number>('in'), outputs: [topic<number>('out')], handle: () => done() })

/** What was asked for, what was found wrong, and what was found good. */
async function check(
  broker: FakeBroker,
  definition: Partial<AppDefinition> = {},
  handler: typeof counting | typeof copying | ReturnType<typeof perMinute> = counting,
) {
  // prettier-ignore
  const asked: NeededRights[] = []
  const answer = broker.faults.missingRights
  broker.faults.missingRights = (needed) => {
    asked.push(needed)
    return answer(needed)
  }
  const taken: string[] = []
  const fault = broker.faults.answerTransaction
  broker.faults.answerTransaction = (step, client, id) => {
    if (step === 'connect') taken.push(id)
    return fault(step, client, id)
  }
  const app = resolveOptions({
    kafka: { brokers: 'a:1', groupId: 'group' },
    actors: [{ name: 'count', handler, deadLetter: 'dlq' }],
    ...definition,
  })
  const { found, problems } = await checkApp({
    ...{ app, waits: new OpenWaits(systemClock), startTimeoutMs: 60_000, verifyClient: () => Promise.resolve() },
    tryModule: ({ actor, shared }) =>
      tryHandler(actor, () => Promise.reject(new Error('no modules')), shared, silentLog),
    ...{ openBroker: () => Promise.resolve(broker.client('check')), openSchemas: null },
  })
  const told = problems.map((error) => `${String(Reflect.get(error, 'code'))} ${error.message}`)
  return { asked, taken, told, found: found.join('\n') }
}

function brokerWith(...topics: readonly string[]): FakeBroker {
  const broker = new FakeBroker({ clock: systemClock })
  for (const name of topics) broker.createTopic(name, 3)
  return broker
}

test('asks to read the input, to write outputs and dead letters, and to make the changelog as the start would', async () => {
  const { asked, told } = await check(brokerWith('in', 'out', 'dlq'))
  expect(told).toEqual([])
  expect(asked).toHaveLength(1)
  expect(asked[0]).toMatchObject({ groupId: 'group', read: ['in'] })
  expect(asked[0]!.write.toSorted()).toEqual(['dlq', 'out'])
  expect(asked[0]!.create).toMatchObject([{ topic: 'group-count-changelog', partitions: 3 }])
})

test('of a changelog that is there asks to read and to write it, and to make none', async () => {
  const { asked } = await check(brokerWith('in', 'out', 'dlq', 'group-count-changelog'))
  expect(asked[0]!.read.toSorted()).toEqual(['group-count-changelog', 'in'])
  expect(asked[0]!.write.toSorted()).toEqual(['dlq', 'group-count-changelog', 'out'])
  expect(asked[0]!.create).toEqual([])
})

test('of an actor whose records are regrouped knows the topic in between, and the changelog of its front', async () => {
  const { asked, told } = await check(brokerWith('in', 'out', 'dlq', 'group-count-changelog'), {}, perMinute(byRegion))
  expect(told).toEqual([])
  expect(asked[0]!.read.toSorted()).toEqual(['group-count-changelog', 'in'])
  const made = ['group-count-front-changelog', 'group-count-repartition'].map((topic) => ({ topic, partitions: 3 }))
  expect(asked[0]!.create).toMatchObject(made)
})

test('names all rights that are missing in one problem, and makes nothing', async () => {
  const broker = brokerWith('in', 'out', 'dlq')
  broker.faults.missingRights = ({ create, groupId }) => [
    { right: 'Write', on: 'topic out' },
    { right: 'Read', on: `group ${groupId}` },
    ...create.map((each) => ({ right: 'Create' as const, on: `topic ${each.topic}` })),
  ]
  const { told } = await check(broker)
  expect(told).toEqual([
    expect.stringMatching(
      /^TRANSACTION_NOT_ALLOWED .*Write on topic out, Read on group group, Create on topic group-count-changelog$/,
    ),
  ])
  expect(() => broker.partitions('group-count-changelog')).toThrow('there is no topic')
})

describe('the transactional id', () => {
  test('that this user may not use is a problem, and the rights are told all the same', async () => {
    const broker = brokerWith('in', 'out', 'dlq')
    broker.faults.answerTransaction = (step) => (step === 'connect' ? 'not-allowed' : null)
    broker.faults.missingRights = () => [{ right: 'Write', on: 'topic out' }]
    const { told } = await check(broker)
    expect(told).toEqual([
      expect.stringMatching(/^TRANSACTION_NOT_ALLOWED .*group-count-/),
      expect.stringMatching(/^TRANSACTION_NOT_ALLOWED .*Write on topic out/),
    ])
  })

  test('begins as that of any process, where each start has one of its own: nobody is fenced', async () => {
    const { taken } = await check(brokerWith('in', 'out', 'dlq'))
    expect(taken).toEqual(['group-count-check'])
  })

  test('that is given is tried, but not while members of the group are alive: they would be fenced', async () => {
    const broker = brokerWith('in', 'out', 'dlq')
    const kafka = { brokers: 'a:1', groupId: 'group', transactionalId: 'pod-0' }
    expect((await check(broker, { kafka })).taken).toEqual(['group-count-pod-0'])
    const member = await Member.join(broker.client('member'), ['in'])
    await expect.poll(() => broker.group().memberIds).toHaveLength(1)
    const { found, taken, told } = await check(broker, { kafka })
    expect([taken, told]).toEqual([[], []])
    expect(found).toContain('transactional id group-count-pod-0: not tried')
    await member.leave()
  })
})

test('brokers that are too old are a problem', async () => {
  const broker = brokerWith('in', 'out', 'dlq')
  broker.faults.areBrokersOld = true
  expect((await check(broker)).told).toEqual([expect.stringMatching(/^TRANSACTIONS_UNSUPPORTED /)])
})

test('an app at least once is asked for nothing of this; one without state that is exactly-once is', async () => {
  const broker = brokerWith('in', 'out', 'dlq')
  const plain = await check(broker, {}, copying)
  expect([plain.asked, plain.taken]).toEqual([[], []])
  const { asked } = await check(broker, { guarantee: 'exactly-once' }, copying)
  expect(asked[0]).toMatchObject({ read: ['in'], create: [] })
})
