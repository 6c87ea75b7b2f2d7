import { describe, expect, test } from 'vitest'
import type { ParkedRecord } from '../../../src/actors/parking-lot.ts'
import { TroupeError } from '../../../src/errors.ts'
import type { Instance, InstanceState } from '../../../src/supervisor/instances/instances.ts'
import {
  decideInGroup,
  decideKeyInGroup,
  mergeHealth,
  mergeParked,
  mergeReadiness,
  mergeStatus,
} from '../../../src/supervisor/instances/merged-answers.ts'
import type { EngineStatus } from '../../../src/supervisor/status/status.ts'
import { FakeInstance } from './fake-instance.ts'

interface Group {
  readonly all: readonly Instance[]
  readonly isStopping: boolean
}

/** Instances 1, 2, …: a process that runs, or the state of one without. */
function groupOf(...members: (FakeInstance | InstanceState)[]): Group {
  const all = members.map((member, index): Instance => {
    const known = { number: index + 1, restarts: 0, lastEnd: null }
    if (typeof member !== 'string') return { ...known, state: 'running', process: member }
    return { ...known, state: member, process: member === 'starting' ? new FakeInstance(1) : null }
  })
  return { all, isStopping: false }
}

function running(answers: FakeInstance['answers'] = {}, pid = 1): FakeInstance {
  const instance = new FakeInstance(pid)
  instance.answers = {
    health: { healthy: true, status: 'ok', reasons: [] },
    readiness: { ready: true, reasons: [] },
    ...answers,
  }
  return instance
}

const ill = {
  health: {
    healthy: false,
    status: 'unhealthy' as const,
    reasons: ['clicks/3 has stopped on record clicks/3/7: boom'],
  },
}
const unready = { readiness: { ready: false, reasons: ['sink postgres is unavailable: gone'] } }

describe('health', () => {
  test('is that of all', async () => {
    expect(await mergeHealth(groupOf(running(), running()))).toEqual({ healthy: true, status: 'ok', reasons: [] })
  })

  test('names the instance that is not', async () => {
    expect(await mergeHealth(groupOf(running(), running(ill)))).toEqual({
      healthy: false,
      status: 'unhealthy',
      reasons: ['instance 2: clicks/3 has stopped on record clicks/3/7: boom'],
    })
  })

  test('degraded is said of all, with the instance that is; the worst of them counts', async () => {
    const says = 'sink postgres is unavailable for 12 s'
    const degraded = { health: { healthy: true, status: 'degraded' as const, reasons: [says] } }
    expect(await mergeHealth(groupOf(running(), running(degraded)))).toEqual({
      healthy: true,
      status: 'degraded',
      reasons: [`instance 2: ${says}`],
    })
    expect(await mergeHealth(groupOf(running(degraded), running(ill)))).toMatchObject({
      healthy: false,
      status: 'unhealthy',
    })
  })

  test('one that does not answer is not healthy', async () => {
    const { healthy, reasons } = await mergeHealth(groupOf(new FakeInstance(1), running()))
    expect(healthy).toBe(false)
    expect(reasons).toEqual(['instance 1: it does not answer within 5000 ms'])
  })

  test('one that starts, or is started again, takes nobody down with it', async () => {
    const { healthy, reasons } = await mergeHealth(groupOf('starting', running(), 'restarting'))
    expect(healthy).toBe(true)
    expect(reasons).toEqual(['instance 1: it is starting', 'instance 3: it is restarting'])
  })

  test('one that starts again after it has ended is degraded; one that starts for the first time is not', async () => {
    const first = groupOf('starting')
    expect((await mergeHealth(first)).status).toBe('ok')
    const again = { ...first, all: first.all.map((instance) => ({ ...instance, restarts: 1 })) }
    expect((await mergeHealth(again)).status).toBe('degraded')
  })
})

test('one that ends while it is asked is being started again', async () => {
  const gone = running()
  const group = groupOf(running({ parked: [] }), gone)
  const asked: (() => void)[] = []
  gone.ask = () =>
    new Promise((_, reject) => {
      asked.push(() => {
        reject(new TroupeError('PROCESS_UNREACHABLE', 'has ended'))
      })
    })
  const answers = Promise.all([mergeHealth(group), mergeReadiness(group), mergeParked(group), mergeStatus(group)])
  Object.assign(group.all[1]!, { state: 'restarting', process: null })
  for (const refuse of asked) refuse()
  const [health, readiness, parked, status] = await answers
  expect(health).toEqual({ healthy: true, status: 'degraded', reasons: ['instance 2: it is restarting'] })
  expect(readiness).toEqual({ ready: false, reasons: ['instance 2: it is restarting'] })
  expect(parked).toEqual([])
  expect(status.instances[1]).toMatchObject({ state: 'restarting', pid: null, status: null })
})

describe('readiness', () => {
  test('is that of all', async () => {
    expect(await mergeReadiness(groupOf(running(), running()))).toEqual({ ready: true, reasons: [] })
    expect(await mergeReadiness(groupOf(running(unready), running()))).toEqual({
      ready: false,
      reasons: ['instance 1: sink postgres is unavailable: gone'],
    })
  })

  test.each(['starting', 'restarting', 'ended'] as const)('is not there while one is %s', async (state) => {
    const answer = await mergeReadiness(groupOf(running(), state))
    expect(answer).toEqual({ ready: false, reasons: [`instance 2: it is ${state}`] })
  })

  test('ends with the word to stop', async () => {
    expect(await mergeReadiness({ ...groupOf(running()), isStopping: true })).toMatchObject({ ready: false })
  })
})

test('status is that of each, where there is one', async () => {
  const status = { state: 'running', group: 'g' } as EngineStatus
  const group = groupOf(running({ status }, 71), 'restarting', new FakeInstance(73))
  const none = { restarts: 0, lastEnd: null }
  expect(await mergeStatus(group)).toEqual({
    state: 'running',
    instances: [
      { instance: 1, state: 'running', pid: 71, status, ...none },
      { instance: 2, state: 'restarting', pid: null, status: null, ...none },
      { instance: 3, state: 'running', pid: 73, status: null, ...none },
    ],
  })
  expect(await mergeStatus({ ...group, isStopping: true })).toMatchObject({ state: 'stopping' })
})

describe('parked records', () => {
  const record = (id: string): ParkedRecord => ({ id }) as ParkedRecord
  const here = 'clicks/3/7'

  test('are those of all, each with its instance', async () => {
    const group = groupOf(
      running({ parked: [record('clicks/0/1')] }),
      'restarting',
      running({ parked: [record(here)] }),
    )
    expect(await mergeParked(group)).toEqual([
      { instance: 1, id: 'clicks/0/1' },
      { instance: 3, id: here },
    ])
  })

  test('are not shown as fewer than there are', async () => {
    const group = groupOf(running({ parked: [] }), new FakeInstance(2))
    await expect(mergeParked(group)).rejects.toMatchObject({ code: 'PROCESS_UNREACHABLE' })
  })

  function groupWith(...parked: FakeInstance['parked'][]): { group: Group; told: () => string[][] } {
    const members = parked.map((each) => Object.assign(running(), { parked: each }))
    return { group: groupOf(...members), told: () => members.map(({ told }) => told) }
  }

  test('are decided on by the instance that has them', async () => {
    const { group, told } = groupWith(null, here)
    await decideInGroup(group, here, 'retry')
    expect(told()[1]).toEqual([`retry ${here}`])
  })

  test('that nobody has are refused', async () => {
    const { group } = groupWith(null, null)
    await expect(decideInGroup(group, here, 'skip')).rejects.toMatchObject({
      code: 'NOT_PARKED',
      message: `record ${here} is not parked here`,
    })
    await expect(decideInGroup(groupOf('restarting'), here, 'skip')).rejects.toMatchObject({ code: 'NOT_PARKED' })
  })

  test('the word of the one that has it counts, not that of the others', async () => {
    const refusal = new TroupeError('NO_DEAD_LETTER_TOPIC', 'there is none')
    const { group } = groupWith(null, refusal, null)
    await expect(decideInGroup(group, here, 'dead-letter')).rejects.toBe(refusal)
  })

  test('one that does not answer may have it', async () => {
    const silent = new TroupeError('PROCESS_UNREACHABLE', 'does not answer')
    await expect(decideInGroup(groupWith(null, silent).group, here, 'skip')).rejects.toMatchObject({
      code: 'PROCESS_UNREACHABLE',
      message: 'instance 2 does not answer',
    })
    await expect(decideInGroup(groupWith(here, silent).group, here, 'skip')).resolves.toBeUndefined()
  })

  test('of a key, what some have decided is told beside the refusal of another', async () => {
    const key = { topic: 'clicks', hash: 'ab' }
    const refusal = new TroupeError('NO_DEAD_LETTER_TOPIC', 'there is none')
    const { group } = groupWith(here, refusal)
    expect(await decideKeyInGroup(group, key, 'dead-letter')).toEqual({ ids: [here], refusal })
    await expect(decideKeyInGroup(groupWith(null, refusal).group, key, 'dead-letter')).rejects.toBe(refusal)
  })
})
