/** One code says why a record failed for good: the same as metric, header, log line and for operators. On the fake broker. */
import { errorTable } from '../../src/error-table.ts'
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import {
  deadLetter,
  defineHandler,
  done,
  retry,
  type FailedRecords,
  type Outcome,
} from '../../src/actors/handlers/handler.ts'
import { RetryableError, TerminalError } from '../../src/errors.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { registerMetrics } from '../../src/metrics/metrics.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

const ATTEMPTS = 3
const HANDLER_TIMEOUT_MS = 100
const out = topic('out', { value: text })
const undeclared = topic('undeclared', { value: text })

const coded = <E extends Error>(error: E, code: string): E => Object.assign(error, { code })

/** What a handler can do with its record, by name. */
const deeds: Readonly<Record<string, () => Outcome | Promise<Outcome>>> = {
  'says deadLetter': () => deadLetter('no such thing'),
  'asks for a retry': () => retry(),
  throws: () => {
    throw new Error('boom', { cause: new Error('connect ECONNREFUSED 10.0.0.1') })
  },
  'throws with a code of its own': () => {
    throw coded(new Error('boom'), 'E_OWN')
  },
  'throws with a code that looks like ours': () => {
    throw coded(new Error('boom'), 'DECODE_FAILED')
  },
  'throws a RetryableError': () => {
    throw new RetryableError('later')
  },
  'throws a TerminalError': () => {
    throw new TerminalError('never')
  },
  'throws a TerminalError with a code of its own': () => {
    throw coded(new TerminalError('never'), 'E_OWN')
  },
  'throws what onError dead-letters': () => {
    throw new RangeError('hopeless')
  },
  'never answers': () => new Promise<Outcome>(() => undefined),
  'returns nothing': () => undefined as never,
  'writes where it does not say so': () => done([undeclared.record('x')]),
  'writes what is refused': () => done([out.record('refused')]),
}

/** The code of the record, that of its last error, and how many attempts it had. */
const expected: Readonly<Record<string, readonly [code: string, errorCode: string, attempts: number]>> = {
  'says deadLetter': ['DEAD_LETTER', 'DEAD_LETTER', 1],
  'asks for a retry': ['ATTEMPTS_EXHAUSTED', 'RETRY_ASKED', ATTEMPTS],
  throws: ['ATTEMPTS_EXHAUSTED', 'HANDLER_FAILED', ATTEMPTS],
  'throws with a code of its own': ['ATTEMPTS_EXHAUSTED', 'E_OWN', ATTEMPTS],
  'throws with a code that looks like ours': ['ATTEMPTS_EXHAUSTED', 'DECODE_FAILED', ATTEMPTS],
  'throws a RetryableError': ['ATTEMPTS_EXHAUSTED', 'HANDLER_FAILED', ATTEMPTS],
  'throws a TerminalError': ['TERMINAL_ERROR', 'TERMINAL_ERROR', 1],
  'throws a TerminalError with a code of its own': ['TERMINAL_ERROR', 'E_OWN', 1],
  'throws what onError dead-letters': ['HANDLER_FAILED', 'HANDLER_FAILED', 1],
  'never answers': ['ATTEMPTS_EXHAUSTED', 'HANDLER_TIMEOUT', ATTEMPTS],
  'returns nothing': ['OUTCOME_INVALID', 'OUTCOME_INVALID', 1],
  'writes where it does not say so': ['ENCODE_FAILED', 'ENCODE_FAILED', 1],
  'writes what is refused': ['SINK_REFUSED', 'SINK_REFUSED', 1],
  'is no text': ['DECODE_FAILED', 'DECODE_FAILED', 1],
  'is a tombstone': ['DECODE_FAILED', 'DECODE_FAILED', 1],
}

/** What each of its attempts counts as. */
const countsAs = (deed: string): string | null => {
  const errorCode = expected[deed]![1]
  if (deed === 'writes what is refused') return null
  if (deed.includes('TerminalError')) return 'TERMINAL_ERROR'
  return deed.includes('code') ? 'HANDLER_FAILED' : errorCode
}

interface Line {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

async function play(deed: string, failedRecords: FailedRecords = 'dead-letter') {
  const clock = new ManualClock()
  const broker = new FakeBroker({ clock })
  for (const name of ['deeds', 'out', 'dead']) broker.createTopic(name, 1)
  broker.faults.refuseRecord = (record) => (String(record.value) === 'refused' ? 'not this one' : null)
  const handler = defineHandler({
    name: 'deeds',
    input: topic('deeds', { value: text }),
    outputs: [out],
    handle: (value) => deeds[value]!(),
    onError: (error) => (error instanceof RangeError ? failedRecords : undefined),
  })
  const retries = { attempts: ATTEMPTS, backoffMs: 1, maxBackoffMs: 1 }
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [
      {
        ...{ name: 'deeds', handler, failedRecords, retry: retries, handlerTimeoutMs: HANDLER_TIMEOUT_MS },
        deadLetter: failedRecords === 'stop' ? null : 'dead',
      },
    ],
  })
  const lines: Line[] = []
  const log: Log = { ...silentLog }
  for (const level of ['warn', 'info', 'error'] as const) {
    log[level] = (fields: object, message: string) => lines.push({ level, fields: fields as Line['fields'], message })
  }
  const stats = new EngineStats()
  const registry = new Registry()
  registerMetrics(registry, stats)
  const client = broker.client('one')
  const parts = { app, broker: client, clock: client.clock, random: () => 0, log, stats }
  const engine = await settled(clock, Engine.start(parts))
  const values: Readonly<Record<string, Buffer | null>> = {
    'is no text': Buffer.from([0xff]),
    'is a tombstone': null,
  }
  broker.append('deeds', { key: 'k', value: deed in values ? values[deed]! : deed, partition: 0 })
  await clock.advance(5_000)
  const page = (await registry.metrics()).split('\n')
  const series = (name: string): string[] => page.filter((line) => line.startsWith(`${name}{`))
  const headers = broker
    .records('dead')
    .map((letter) => new Map(letter.headers.map(([name, value]) => [name, String(value)])))
  return { clock, engine, headers, lines, series, status: engine.status() }
}

describe.each(Object.keys(expected))('a record whose handler or value %s', (deed) => {
  const [code, errorCode, attempts] = expected[deed]!

  test('goes by one code of the table: as dead letter, header, metric and log line', async () => {
    const { headers, lines, series } = await play(deed)
    expect(Object.keys(errorTable)).toContain(code)
    expect(
      headers.map((of) => [of.get('troupe.code'), of.get('troupe.error-code'), of.get('troupe.attempts')]),
    ).toEqual([[code, errorCode, String(attempts)]])
    expect(series('troupe_dead_letters_total')).toEqual([`troupe_dead_letters_total{actor="deeds",code="${code}"} 1`])
    const counted = countsAs(deed)
    const failures = `troupe_attempt_failures_total{actor="deeds",code="${String(counted)}"} ${attempts}`
    expect(series('troupe_attempt_failures_total')).toEqual(counted === null ? [] : [failures])
    expect(lines.filter(({ message }) => message.includes('dead-lettered'))).toMatchObject([
      {
        level: 'warn',
        fields: { id: 'deeds/0/0', code, errorCode, attempts },
        message: expect.stringContaining(code) as unknown,
      },
    ])
  })

  // The handler's own word goes over the policy.
  test.skipIf(deed === 'says deadLetter')('is parked under the same code, and shown under it', async () => {
    const { engine, lines, status } = await play(deed, 'park')
    expect(engine.parked()).toMatchObject([{ code, attempts, error: { code: errorCode } }])
    expect(lines.filter(({ message }) => message.includes('parked'))).toMatchObject([{ fields: { code, errorCode } }])
    expect(status.partitions[0]!.waitsFor).toMatchObject({ code })
  })

  test.skipIf(deed === 'says deadLetter')(
    'is not dropped in silence: it is counted and told of under the same code',
    async () => {
      const { lines, series } = await play(deed, 'skip')
      expect(series('troupe_skipped_failures_total')).toEqual([
        `troupe_skipped_failures_total{actor="deeds",code="${code}"} 1`,
      ])
      expect(lines.filter(({ message }) => message.includes('skipped'))).toMatchObject([
        { level: 'warn', fields: { id: 'deeds/0/0', code, errorCode, attempts } },
      ])
    },
  )

  test('stops its actor with a reason that names the same code', async () => {
    const { engine, status } = await play(deed, 'stop')
    expect(status.partitions[0]!.halted).toMatchObject({
      code: deed === 'says deadLetter' ? 'NO_DEAD_LETTER_TOPIC' : 'ACTOR_STOPPED',
      reason: expect.stringContaining(code) as unknown,
    })
    expect(engine.health().reasons.join()).toContain(code)
  })
})

test('used-up attempts say how many they were, and keep name, message and causes of the last error', async () => {
  const { headers, lines } = await play('throws')
  expect(Object.fromEntries(headers[0]!)).toMatchObject({
    'troupe.code': 'ATTEMPTS_EXHAUSTED',
    'troupe.attempts': '3',
    'troupe.error-name': 'Error',
    'troupe.error-message': 'boom: connect ECONNREFUSED 10.0.0.1',
  })
  expect(lines.at(-1)!.fields['error']).toBe('boom: connect ECONNREFUSED 10.0.0.1')
})

test('what does not decode is told with what is wrong in it', async () => {
  const { lines } = await play('is no text')
  expect(lines.at(-1)!.fields['error']).toBe('the value is not what codec text expects: the bytes are not UTF-8')
})

test('a decision of an operator is told where it comes in, and not again by the actor', async () => {
  const { clock, engine, lines } = await play('throws', 'park')
  const before = lines.length
  engine.decide('deeds/0/0', 'retry')
  await clock.settle()
  expect(lines.slice(before).filter(({ message }) => message.includes('decided'))).toEqual([])
})
