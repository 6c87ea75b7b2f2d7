/** The engine on threads, with a broker without Kafka. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { describeError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/resolve-options.ts'
import { EngineStats } from '../../src/streams/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/fake-broker.ts'
import { fixtureUrl } from './pool-fixture.ts'

const directory = mkdtempSync(join(tmpdir(), 'troupe-threads-'))

afterAll(() => {
  rmSync(directory, { recursive: true })
})

test('threads that cannot be replaced end the engine with the cause, not with a wait', async () => {
  const broker = new FakeBroker({ clock: systemClock })
  broker.createTopic('scripts', 1)
  const url = fixtureUrl('dies-again.js', { marker: join(directory, 'marker'), then: 'throw' })
  const engine = await Engine.start({
    app: resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler: new URL(url), runOn: 'threads', failedRecords: 'stop' }],
      threads: { count: 2 },
    }),
    broker: broker.client('member'),
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    stats: new EngineStats(),
  })
  broker.append('scripts', { value: JSON.stringify({ do: 'exit' }), key: 'k', partition: 0 })
  const end = await engine.finished
  expect(end.reason === 'failed' && describeError(end.error)).toContain('the database went away')
  expect(engine.state).toBe('ended')
})
