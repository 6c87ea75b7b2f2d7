import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { maskClientConfig } from '../../src/streams/kafka/client-keys.ts'
import { describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { defineApp, isApp, type AppDefinition } from '../../src/app.ts'
import { isTroupeError } from '../../src/errors.ts'
import { nearestName } from '../../src/options/near-miss.ts'
import { describeOptions, describeOptionTable, listFlags, maskOptions } from '../../src/options/docs.ts'
import type { OptionRows } from '../../src/options/level.ts'
import { envName, flagName } from '../../src/options/names.ts'
import { actorRelations, appRelations } from '../../src/options/relations.ts'
import { actorOptions, appOptions, type ActorPath, type AppPath, type ResolvedApp } from '../../src/options/options.ts'
import { resolveOptions, type OptionSources } from '../../src/options/resolve.ts'
import { classicOnlyClientKeys, ownedClientKeys } from '../../src/streams/kafka/client-keys.ts'
import { topic } from '../../src/streams/flows/flow.ts'

const handler = defineHandler({ input: topic<object>('clicks'), handle: () => done() })
const module = new URL('file:///app/enrich.js')
const smallest = {
  kafka: { brokers: ['localhost:9092'], groupId: 'enricher' },
  actors: [{ handler: module }],
} satisfies AppDefinition

const loader = () => Buffer.alloc(1)
const sink = {
  open: () => Promise.resolve(),
  prepare: () => Promise.resolve(),
  write: () => Promise.resolve([]),
  maxBatch: 10,
  close: () => Promise.resolve(),
}

/** What the one OPTIONS_INVALID says; fails when nothing is wrong. */
function problemsOf(definition: unknown, sources?: OptionSources): string {
  try {
    resolveOptions(definition as AppDefinition, sources)
  } catch (error) {
    if (!isTroupeError(error)) throw error
    expect(error.code).toBe('OPTIONS_INVALID')
    return error.message
  }
  throw new Error('accepted')
}

/** Options that say nothing alone: what has to be set beside them. */
const mates: Readonly<Record<string, readonly [path: string, value: string]>> = {
  'state.store': ['state.directory', '/var/lib/troupe'],
  'schemaRegistry.password': ['schemaRegistry.username', 'me'],
  'schemaRegistry.certFile': ['schemaRegistry.keyFile', 'key.pem'],
  'schemaRegistry.keyFile': ['schemaRegistry.certFile', 'cert.pem'],
}

/** The smallest app, with what has to be set beside this. */
function appBeside(path: string): AppDefinition {
  const mate = mates[path]
  return (mate === undefined ? smallest : withValue(smallest, ...mate)) as AppDefinition
}

/** The smallest app with one value set, by path. */
function appWith(path: string, value: unknown): AppDefinition {
  return withValue(value === null ? smallest : appBeside(path), path, value) as unknown as AppDefinition
}

/** A burst is of a rate. */
function actorWith(path: string, value: unknown): AppDefinition {
  const actor = path === 'rate.burst' ? { ...smallest.actors[0], rate: { perSecond: 100 } } : smallest.actors[0]!
  return { ...smallest, actors: [withValue(actor, path, value)] } as unknown as AppDefinition
}

function withValue(object: object, path: string, value: unknown): Record<string, unknown> {
  const [outer = '', inner] = path.split('.')
  const whole = object as Record<string, Record<string, unknown> | undefined>
  return inner === undefined ? { ...whole, [outer]: value } : { ...whole, [outer]: { ...whole[outer], [inner]: value } }
}

function valueAt(object: unknown, path: string): unknown {
  return path.split('.').reduce((value, key) => (value as Record<string, unknown>)[key], object)
}

function textsOf(table: object, path: string): readonly string[] {
  const { text, entryText } = (table as OptionRows)[path]!.rule
  return entryText === undefined ? [text] : [text, entryText]
}

interface Samples {
  /** Taken as they are, or `[given, taken]`. */
  readonly accepts: readonly (readonly [given: unknown, taken: unknown])[]
  readonly refuses: readonly unknown[]
}

const same = (value: unknown): readonly [unknown, unknown] => [value, value]
const whole = (fits: number, ...tooFar: unknown[]): Samples => ({
  accepts: [same(fits), [String(fits), fits]],
  refuses: [0.5, '5s', '1e3', '', ' 7', -1, NaN, Infinity, true, {}, null, ...tooFar],
})
const duration = whole(1, 0, 86_400_001)
const name: Samples = { accepts: [same('a name')], refuses: ['', ' a', 'a ', 'a\nb', 5, null] }
const secret: Samples = { accepts: [same('hunter2'), same(null)], refuses: ['', 5, {}] }
const file: Samples = { accepts: [same('/etc/ssl/ca.pem'), same(null)], refuses: ['', 5, {}] }
const fetchToken = () => 'hunter2'
const choice = (...choices: string[]): Samples => ({ accepts: choices.map(same), refuses: ['other', '', 1, null] })

const appSamples: Record<AppPath, Samples> = {
  instances: {
    accepts: [
      [1, 1],
      ['4', 4],
      [64, 64],
    ],
    refuses: [0, 65, 2.5, '-1', null, 'auto'],
  },
  'kafka.brokers': {
    accepts: [same(['localhost:9092', '[::1]:9093']), ['a.example:1, b:65535', ['a.example:1', 'b:65535']]],
    refuses: [[], '', 'localhost', 'a:0', 'a:65536', 'a:1,', 'http://a:1', ['a:1,b:2'], [5], 5, null],
  },
  'kafka.groupId': name,
  'kafka.clientId': name,
  'kafka.groupInstanceId': { accepts: [same('member-1'), same(null)], refuses: ['', 1] },
  'kafka.transactionalId': { accepts: [same('pod-1'), same(null)], refuses: ['', 1] },
  guarantee: { accepts: ['at-least-once', 'exactly-once', null].map(same), refuses: ['other', '', 1] },
  checkpointIntervalMs: duration,
  transactionTimeoutMs: whole(1_000, 0, 999, 900_001),
  'state.store': choice('memory', 'disk'),
  'state.directory': { accepts: [same('/var/lib/troupe'), same(null)], refuses: ['', 1] },
  'kafka.groupProtocol': choice('classic', 'consumer'),
  'kafka.assignmentStrategy': choice('cooperative-sticky', 'range', 'roundrobin'),
  'kafka.connectTimeoutMs': duration,
  'kafka.sessionTimeoutMs': whole(1, 0, 3_600_001),
  'kafka.maxPollIntervalMs': whole(50_000, 0, 86_400_001),
  'kafka.client': {
    accepts: [same({ 'security.protocol': 'ssl', 'socket.keepalive.enable': true, 'socket.timeout.ms': 5 })],
    refuses: [null, 'a=b', [], { 'ssl.ca.pem': {} }, { 'ssl.ca.pem': null }],
  },
  'schemaRegistry.url': {
    accepts: [
      ['http://me:hunter2@a:8081, https://b/apis/v7', ['http://me:hunter2@a:8081', 'https://b/apis/v7']],
      same(['https://[::1]:8081/']),
      [null, []],
    ],
    refuses: ['', 'registry:8081', 'ftp://a', 'http://a,', 'http://a?b=c', ['http://a', 5], 5],
  },
  'schemaRegistry.username': { accepts: [same('me'), same(null)], refuses: ['', 'a\nb', 5] },
  'schemaRegistry.password': secret,
  'schemaRegistry.token': {
    accepts: [same('hunter2'), same(fetchToken), same(null)],
    refuses: ['', 'hun ter2', 'a\nb', 5, {}],
  },
  'schemaRegistry.headers': {
    accepts: [same({ 'target-sr-cluster': 'lsrc-1' }), same({})],
    refuses: [null, 'a: b', [], { a: 5 }, { a: 'b\nc' }, { 'a b': 'c' }],
  },
  'schemaRegistry.caFile': file,
  'schemaRegistry.certFile': file,
  'schemaRegistry.keyFile': file,
  'schemaRegistry.keyPassphrase': secret,
  'schemaRegistry.connectTimeoutMs': duration,
  'schemaRegistry.timeoutMs': duration,
  registerSchemas: choice('never', 'on-start'),
  'producer.acks': { accepts: [same('all'), [-1, 'all'], ['-1', 'all']], refuses: [0, 1, '1', 'leader', '', null] },
  'producer.lingerMs': whole(0, 10_001),
  'producer.batchBytes': whole(1, 0, 2_147_483_648),
  'producer.compression': choice('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  'producer.retries': { accepts: [same('unlimited')], refuses: [0, 5, '5', '', null] },
  'producer.partitioner': choice(
    ...['murmur2_random', 'murmur2', 'consistent_random', 'consistent', 'fnv1a_random', 'fnv1a'],
  ),
  sinks: { accepts: [same({ postgres: sink })], refuses: [null, [], { postgres: {} }, { postgres: null }] },
  shared: { accepts: [same({ geo: loader })], refuses: [null, [], { geo: 'geo.mmdb' }, { geo: null }] },
  'threads.count': whole(1, 0),
  'threads.slots': whole(1, 0),
  'threads.batchTargetMs': duration,
  'threads.maxBatchRecords': whole(1, 0),
  'threads.maxBatchBytes': whole(1, 0),
  'threads.maxRssMb': { accepts: [same(64), same(null)], refuses: [63, '5 MB'] },
  'threads.maxHeapMb': { accepts: [same(16), same(null)], refuses: [15, '5 MB'] },
  'intake.maxRecords': whole(1, 0),
  'intake.maxBytes': whole(1, 0),
  'intake.maxPartitionRecords': whole(1, 0),
  'intake.maxPartitionBytes': whole(1, 0),
  commitIntervalMs: duration,
  drainTimeoutMs: duration,
  foreignMetadata: choice('ignore', 'fail'),
  'restart.max': whole(0),
  'restart.windowMs': duration,
  'restart.backoffMs': duration,
  'http.port': { accepts: [same(9464), [0, null], ['0', null], same(null)], refuses: [65_536, '80a', ''] },
  'http.host': name,
  'http.token': {
    accepts: [same('0123456789abcdef'), same('A-b.c_d~e+f/0123456789=='), same(null)],
    refuses: ['0123456789abcde', '0123456789 abcdef', '=0123456789abcdef', 'x'.repeat(513), 5],
  },
  showKeys: { accepts: [same(true), ['false', false]], refuses: ['yes', 1, null] },
  'log.level': choice('debug', 'info', 'warn', 'error', 'silent'),
  'log.format': choice('auto', 'json', 'pretty'),
}

const actorSamples: Record<ActorPath, Samples> = {
  handler: {
    accepts: [same(module), same(handler), ['file:///app/a.js', new URL('file:///app/a.js')]],
    refuses: ['', 5, {}, () => done(), null, new URL('https://example.com/enrich.js')],
  },
  name: { accepts: [same('enrich')], refuses: [5, null, 'a\nb'] },
  runOn: choice('main', 'threads'),
  order: choice('key', 'partition', 'unordered'),
  concurrency: {
    accepts: [...whole(1).accepts, same({ min: 1, max: 1, target: 'latency' })],
    refuses: [
      ...whole(1, 0).refuses,
      { min: 1, max: 10 },
      { min: 5, max: 4, target: 'latency' },
      { min: 0, max: 4, target: 'latency' },
      { min: 1, max: 4, target: 'throughput' },
      { min: 1, max: 4, target: 'latency', step: 1 },
    ],
  },
  'rate.perSecond': {
    accepts: [same(50), same(0.3), ['0.3', 0.3], same(null)],
    refuses: [0, -1, 1_000_001, '50/s', '', NaN, Infinity, {}],
  },
  'rate.burst': { accepts: [same(10), ['10', 10], same(null)], refuses: [0, 0.5, -1, 'ten'] },
  'retry.attempts': {
    accepts: [...whole(1).accepts, same('unlimited')],
    refuses: [0, 0.5, 'Unlimited', 'forever', '', -1, Infinity, null],
  },
  'retry.backoffMs': duration,
  'retry.maxBackoffMs': whole(100, 0, 86_400_001),
  'retry.jitter': { accepts: [same(0), same(1), ['0.5', 0.5], ['.5', 0.5]], refuses: [-0.1, 1.1, '50%', null] },
  deadLetter: { accepts: [same('clicks_dlq'), same(null)], refuses: ['', '..', 'a b', 'a'.repeat(250), 5] },
  failedRecords: choice('dead-letter', 'park', 'skip', 'stop', 'escalate'),
  handlerTimeoutMs: duration,
  startFrom: choice('earliest', 'latest'),
  outOfRange: choice('fail', 'earliest', 'latest'),
  idHeader: { accepts: [same(true), same(false), ['true', true], ['false', false]], refuses: ['yes', 1, null] },
}

describe('each rule', () => {
  describe.each(Object.entries(appSamples))('%s', (path, { accepts, refuses }) => {
    test.each(accepts)('accepts %o', (given, taken) => {
      expect(valueAt(resolveOptions(appWith(path, given)), path)).toEqual(taken)
    })
    test.each(refuses.map((value) => [value]))('refuses %o, with the rule', (value) => {
      const told = problemsOf(appWith(path, value))
      expect(told.startsWith(path)).toBe(true)
      expect(textsOf(appOptions, path).some((text) => told.endsWith(`is not ${text}`))).toBe(true)
    })
  })

  describe.each(Object.entries(actorSamples))('actors[0].%s', (path, { accepts, refuses }) => {
    test.each(accepts)('accepts %o', (given, taken) => {
      expect(valueAt(resolveOptions(actorWith(path, given)).actors[0], path)).toEqual(taken)
    })
    test.each(refuses.map((value) => [value]))('refuses %o, with the rule', (value) => {
      const told = problemsOf(actorWith(path, value))
      expect(told.startsWith(`actors[0].${path}: `)).toBe(true)
      expect(textsOf(actorOptions, path).some((text) => told.endsWith(`is not ${text}`))).toBe(true)
    })
  })

  const rows = { ...appOptions, ...actorOptions } as unknown as OptionRows
  test.each(Object.entries(rows).filter(([, row]) => row.default !== undefined && row.defaultText === undefined))(
    '%s has a default that keeps its own rule',
    (_path, row) => {
      expect(row.rule.schema.safeParse(row.default).success).toBe(true)
    },
  )
})

test('the attempts of a record may be unlimited, from wherever it is said', () => {
  const given = [
    resolveOptions(actorWith('retry.attempts', 'unlimited')),
    resolveOptions(smallest, { flags: { 'actors.*.retry.attempts': 'unlimited' } }),
    resolveOptions(smallest, { env: { TROUPE_ACTORS_ENRICH_RETRY_ATTEMPTS: 'unlimited' } }),
  ]
  expect(given.map(({ actors }) => actors[0]!.retry.attempts)).toEqual(['unlimited', 'unlimited', 'unlimited'])
  expect(describeOptions(given[0]!)).toMatch(/retry\.attempts +unlimited$/m)
})

describe('defaults', () => {
  test('a broker, a group and a handler are enough', () => {
    const app = resolveOptions(defineApp(smallest))
    expect(app).toMatchObject({ commitIntervalMs: 200, drainTimeoutMs: 30_000, sinks: {}, http: { port: null } })
    expect(app.actors).toEqual([
      {
        name: 'enrich',
        handler: module,
        runOn: 'main',
        order: 'key',
        concurrency: 1000,
        rate: { perSecond: null, burst: null },
        retry: { attempts: 5, backoffMs: 100, maxBackoffMs: 30_000, jitter: 0.2 },
        deadLetter: null,
        failedRecords: 'dead-letter',
        handlerTimeoutMs: 60_000,
        startFrom: 'earliest',
        outOfRange: 'fail',
        idHeader: false,
      },
    ])
    expect(app.threads.count).toBeGreaterThanOrEqual(1)
  })

  test('every option of the table has a value', () => {
    const app = resolveOptions(smallest)
    for (const path of Object.keys(appOptions)) expect(valueAt(app, path), path).toBeDefined()
    for (const path of Object.keys(actorOptions)) expect(valueAt(app.actors[0], path), path).toBeDefined()
  })

  test('under `troupe run` the HTTP port is open', () => {
    expect(resolveOptions(smallest, { isCli: true }).http.port).toBe(9464)
    expect(resolveOptions(appWith('http.port', 0), { isCli: true }).http.port).toBeNull()
    expect(resolveOptions(appWith('http.port', null), { isCli: true }).http.port).toBeNull()
  })

  test('undefined is the same as left out', () => {
    expect(resolveOptions(appWith('commitIntervalMs', undefined)).commitIntervalMs).toBe(200)
  })

  test.each([
    ['intake.maxRecords', 'intake.maxPartitionRecords'],
    ['intake.maxBytes', 'intake.maxPartitionBytes'],
    ['kafka.maxPollIntervalMs', 'kafka.sessionTimeoutMs'],
  ])('a small %s lowers the default of %s', (larger, smaller) => {
    const app = resolveOptions({ ...appWith(larger, 40), drainTimeoutMs: 10 })
    expect(valueAt(app, smaller)).toBe(40)
  })

  test('a small maxBackoffMs lowers the default of backoffMs', () => {
    expect(resolveOptions(actorWith('retry.maxBackoffMs', 50)).actors[0]?.retry.backoffMs).toBe(50)
  })
})

describe('relations', () => {
  /** For each: values that just keep it, and values that just break it. */
  const pairs: Record<string, { readonly keeps: object; readonly breaks: object }> = {
    'drainTimeoutMs kafka.maxPollIntervalMs': {
      keeps: { drainTimeoutMs: 59_999, 'kafka.maxPollIntervalMs': 60_000 },
      breaks: { drainTimeoutMs: 60_000, 'kafka.maxPollIntervalMs': 60_000 },
    },
    'transactionTimeoutMs drainTimeoutMs kafka.maxPollIntervalMs': {
      keeps: { transactionTimeoutMs: 15_000, drainTimeoutMs: 44_999, 'kafka.maxPollIntervalMs': 60_000 },
      breaks: { guarantee: 'exactly-once', drainTimeoutMs: 45_000, 'kafka.maxPollIntervalMs': 60_000 },
    },
    'kafka.sessionTimeoutMs kafka.maxPollIntervalMs': {
      keeps: { 'kafka.sessionTimeoutMs': 300_000 },
      breaks: { 'kafka.sessionTimeoutMs': 300_001 },
    },
    'kafka.sessionTimeoutMs kafka.groupProtocol': {
      keeps: { 'kafka.groupProtocol': 'consumer' },
      breaks: { 'kafka.groupProtocol': 'consumer', 'kafka.sessionTimeoutMs': 45_000 },
    },
    'kafka.assignmentStrategy kafka.groupProtocol': {
      keeps: { 'kafka.groupProtocol': 'classic', 'kafka.assignmentStrategy': 'range' },
      breaks: { 'kafka.groupProtocol': 'consumer', 'kafka.assignmentStrategy': 'range' },
    },
    'intake.maxPartitionRecords intake.maxRecords': {
      keeps: { 'intake.maxPartitionRecords': 100, 'intake.maxRecords': 100 },
      breaks: { 'intake.maxPartitionRecords': 101, 'intake.maxRecords': 100 },
    },
    'intake.maxPartitionBytes intake.maxBytes': {
      keeps: { 'intake.maxPartitionBytes': 100, 'intake.maxBytes': 100 },
      breaks: { 'intake.maxPartitionBytes': 101, 'intake.maxBytes': 100 },
    },
    'state.store state.directory': {
      keeps: { 'state.store': 'disk', 'state.directory': '/var/lib/troupe' },
      breaks: { 'state.store': 'disk' },
    },
    'schemaRegistry.username schemaRegistry.password': {
      keeps: { 'schemaRegistry.username': 'me', 'schemaRegistry.password': 'hunter2' },
      breaks: { 'schemaRegistry.password': 'hunter2' },
    },
    'schemaRegistry.username schemaRegistry.token': {
      keeps: { 'schemaRegistry.token': 'hunter2' },
      breaks: { 'schemaRegistry.token': 'hunter2', 'schemaRegistry.username': 'me' },
    },
    'schemaRegistry.certFile schemaRegistry.keyFile': {
      keeps: { 'schemaRegistry.certFile': 'a', 'schemaRegistry.keyFile': 'b' },
      breaks: { 'schemaRegistry.certFile': 'a' },
    },
    'schemaRegistry.connectTimeoutMs schemaRegistry.timeoutMs': {
      keeps: { 'schemaRegistry.connectTimeoutMs': 100, 'schemaRegistry.timeoutMs': 100 },
      breaks: { 'schemaRegistry.connectTimeoutMs': 101, 'schemaRegistry.timeoutMs': 100 },
    },
    'retry.backoffMs retry.maxBackoffMs': {
      keeps: { 'retry.backoffMs': 100, 'retry.maxBackoffMs': 100 },
      breaks: { 'retry.backoffMs': 101, 'retry.maxBackoffMs': 100 },
    },
    'rate.burst rate.perSecond': {
      keeps: { 'rate.burst': 5, 'rate.perSecond': 50 },
      breaks: { 'rate.burst': 5 },
    },
    'handler runOn': {
      keeps: { handler: module, runOn: 'threads' },
      breaks: { handler, runOn: 'threads' },
    },
  }

  const appCases = appRelations.map((row) => ({ ...row, start: smallest, isActor: false }))
  const actorCases = actorRelations.map((row) => ({ ...row, start: smallest.actors[0] as object, isActor: true }))
  test.each([...appCases, ...actorCases].map((row) => [row.rule, row] as const))('%s', (rule, row) => {
    const pair = pairs[row.paths.join(' ')]!
    const build = (values: object): AppDefinition => {
      const object = Object.entries(values).reduce((so, [path, value]) => withValue(so, path, value), row.start)
      return (row.isActor ? { ...smallest, actors: [object] } : object) as AppDefinition
    }
    expect(() => resolveOptions(build(pair.keeps))).not.toThrow()
    const told = problemsOf(build(pair.breaks))
    expect(told).toContain(rule)
    expect(told).toContain(row.why)
  })

  test('are not judged where one side could not be read', () => {
    const told = problemsOf({ ...appWith('kafka.maxPollIntervalMs', 'soon'), drainTimeoutMs: 80_000_000 })
    expect(told).toMatch(/^kafka\.maxPollIntervalMs: 'soon' is not/)
    expect(told).not.toContain('\n')
  })
})

describe('instances', () => {
  const cores = Math.max(1, availableParallelism())
  const threadsOf = (app: object, isCli: boolean): number =>
    resolveOptions(app as AppDefinition, { isCli }).threads.count

  test('share the cores under `troupe run`, each having one thread at least', () => {
    expect(threadsOf(smallest, true)).toBe(cores)
    expect(threadsOf({ ...smallest, instances: 2 }, true)).toBe(Math.max(1, Math.floor(cores / 2)))
    expect(threadsOf({ ...smallest, instances: 64 }, true)).toBe(Math.max(1, Math.floor(cores / 64)))
  })

  test('leave a number of threads that is given as it is, and that of a supervisor embedded', () => {
    expect(threadsOf({ ...smallest, instances: 2, threads: { count: 5 } }, true)).toBe(5)
    expect(threadsOf({ ...smallest, instances: 2 }, false)).toBe(cores)
  })
})

describe('sources', () => {
  test('flags go over the environment, which goes over the file, which goes over defaults', () => {
    const env = { TROUPE_COMMIT_INTERVAL_MS: '300' }
    const inFile = appWith('commitIntervalMs', 400)
    expect(resolveOptions(inFile, { env, flags: { commitIntervalMs: '250' } }).commitIntervalMs).toBe(250)
    expect(resolveOptions(inFile, { env }).commitIntervalMs).toBe(300)
    expect(resolveOptions(inFile).commitIntervalMs).toBe(400)
    expect(resolveOptions(smallest).commitIntervalMs).toBe(200)
  })

  test.each(listFlags().map(({ path }) => [path]))('%s is read from its flag and from its variable', (path) => {
    const [given, taken] = appSamples[path as AppPath].accepts.find(([value]) => value !== null)!
    const text = Array.isArray(given) ? given.join(',') : String(given)
    expect(valueAt(resolveOptions(appBeside(path), { flags: { [path]: text } }), path)).toEqual(taken)
    expect(valueAt(resolveOptions(appBeside(path), { env: { [envName(path)]: text } }), path)).toEqual(taken)
  })

  test('brokers and group may come from outside alone, KAFKA_BROKERS included', () => {
    const env = { KAFKA_BROKERS: 'a:1,b:2', TROUPE_KAFKA_GROUP_ID: 'g' }
    const { kafka } = resolveOptions({ actors: smallest.actors }, { env })
    expect(kafka).toMatchObject({ brokers: ['a:1', 'b:2'], groupId: 'g' })
    expect(resolveOptions(smallest, { env: { ...env, TROUPE_KAFKA_BROKERS: 'c:3' } }).kafka.brokers).toEqual(['c:3'])
  })

  test('an empty variable is an unset one', () => {
    expect(resolveOptions(smallest, { env: { TROUPE_HTTP_PORT: '' } }).http.port).toBeNull()
  })

  test('client keys come from flags and variables one by one, over those of the file', () => {
    const inFile = appWith('kafka.client', { 'sasl.username': 'file', 'socket.timeout.ms': 5 })
    const { kafka } = resolveOptions(inFile, {
      env: {
        TROUPE_KAFKA_CLIENT_SASL_USERNAME: 'env',
        TROUPE_KAFKA_CLIENT_SASL_PASSWORD: 'p',
        TROUPE_KAFKA_CLIENT_ID: 'me',
      },
      flags: { 'kafka.client.sasl.username': 'flag' },
    })
    expect(kafka.clientId).toBe('me')
    expect(kafka.client).toEqual({ 'sasl.username': 'flag', 'sasl.password': 'p', 'socket.timeout.ms': 5 })
  })

  test('options of one actor, or of all, can be set from outside', () => {
    const app = { ...smallest, actors: [{ handler: module }, { handler, name: 'click-count' }] }
    const { actors } = resolveOptions(app, {
      flags: { 'actors.*.concurrency': '7', 'actors.enrich.concurrency': '8' },
      env: { TROUPE_ACTORS_CLICK_COUNT_RETRY_ATTEMPTS: '2' },
    })
    expect(actors.map(({ concurrency }) => concurrency)).toEqual([8, 7])
    expect(actors.map(({ retry }) => retry.attempts)).toEqual([5, 2])
  })

  test('a wrong value says where it came from', () => {
    expect(problemsOf(smallest, { flags: { commitIntervalMs: '5s' } })).toBe(
      "commitIntervalMs: '5s' is not a whole number of milliseconds from 1 to 86400000 (from --commit-interval-ms)",
    )
    expect(problemsOf(smallest, { env: { KAFKA_BROKERS: 'kafka' } })).toBe(
      "kafka.brokers: 'kafka' is not a list of host:port (from KAFKA_BROKERS)",
    )
  })

  test('names that are nearly an option are told, others of the environment are left alone', () => {
    expect(problemsOf(smallest, { flags: { 'http.prot': '80' } })).toBe(
      '--http-prot: unknown option, did you mean --http-port?',
    )
    expect(problemsOf(smallest, { flags: { 'actors.enrich.odrer': 'key' } })).toBe(
      '--actor enrich.odrer: unknown option, did you mean enrich.order?',
    )
    expect(problemsOf(smallest, { flags: { 'actors.enrich.handler': 'x' } })).toContain('is set in the app only')
    expect(problemsOf(smallest, { env: { TROUPE_COMIT_INTERVAL_MS: '5' } })).toBe(
      'TROUPE_COMIT_INTERVAL_MS: unknown option, did you mean TROUPE_COMMIT_INTERVAL_MS?',
    )
    expect(() => resolveOptions(smallest, { env: { TROUPE_SERVICE_HOST: '10.0.0.1' } })).not.toThrow()
  })
})

describe('problems', () => {
  test('are told all at once', () => {
    const told = problemsOf({
      kafka: { brokers: 'nowhere', groupid: 'g' },
      commitIntervalMS: 5,
      http: 80,
      actors: [{ handler: module, retry: { atempts: 3 } }, 'enrich'],
    })
    expect(told).toMatch(/^7 options are wrong:\n {2}- /)
    expect(told).toContain("kafka.brokers: 'nowhere' is not a list of host:port")
    expect(told).toContain('kafka.groupid: unknown option, did you mean kafka.groupId?')
    expect(told).toContain('kafka.groupId: is required')
    expect(told).toContain('commitIntervalMS: unknown option, did you mean commitIntervalMs?')
    expect(told).toContain('http: 80 is not an object of options')
    expect(told).toContain('actors[0].retry.atempts: unknown option, did you mean actors[0].retry.attempts?')
    expect(told).toContain("actors[1]: 'enrich' is not an object of options")
  })

  test('a right name at the wrong level is sent home', () => {
    expect(problemsOf({ ...smallest, brokers: ['a:1'] })).toBe('brokers: unknown option, did you mean kafka.brokers?')
    expect(problemsOf({ ...smallest, actor: [] })).toBe('actor: unknown option, did you mean actors?')
  })

  test.each([
    [{ attempts: 3 }, 'actors[0].attempts: unknown option, did you mean actors[0].retry.attempts?'],
    [{ backoff: 3 }, 'actors[0].backoff: unknown option, did you mean actors[0].retry.backoffMs?'],
    [{ backof: 3 }, 'actors[0].backof: unknown option, did you mean actors[0].retry.backoffMs?'],
    [{ retry: { backof: 3 } }, 'actors[0].retry.backof: unknown option, did you mean actors[0].retry.backoffMs?'],
    [{ handlerTimeout: 3 }, 'actors[0].handlerTimeout: unknown option, did you mean actors[0].handlerTimeoutMs?'],
    [{ commitInterval: 3 }, 'actors[0].commitInterval: unknown option, did you mean commitIntervalMs of the app?'],
    [{ groupId: 'g' }, 'actors[0].groupId: unknown option, did you mean kafka.groupId of the app?'],
    [{ toString: 3 }, 'actors[0].toString: unknown option'],
  ])('of an actor: %o', (options, told) => {
    expect(problemsOf({ ...smallest, actors: [{ handler: module, ...options }] })).toBe(told)
  })

  test.each([
    [{ attempts: 3 }, 'attempts: unknown option, did you mean retry.attempts of an actor?'],
    [{ order: 'key' }, 'order: unknown option, did you mean order of an actor?'],
    [{ constructor: 3 }, 'constructor: unknown option'],
  ])('of the app: %o', (options, told) => {
    expect(problemsOf({ ...smallest, ...options })).toBe(told)
  })

  test('a flag of an actor at the wrong level is sent home', () => {
    expect(() =>
      resolveOptions({ ...smallest, actors: [{ handler: module }] }, { flags: { 'actors.*.attempts': '3' } }),
    ).toThrow('--actor *.attempts: unknown option, did you mean *.retry.attempts?')
  })

  test('what is missing is named with the places to set it', () => {
    expect(problemsOf({ kafka: { brokers: 'a:1' }, actors: smallest.actors })).toBe(
      'kafka.groupId: is required: set it in the app, with --kafka-group-id or as TROUPE_KAFKA_GROUP_ID',
    )
    expect(problemsOf({ kafka: smallest.kafka })).toBe('actors: is required: a list of at least one actor')
    expect(problemsOf({ ...smallest, actors: [] })).toContain('actors: [] is not a list of at least one actor')
    expect(problemsOf({ ...smallest, actors: [{}] })).toBe('actors[0].handler: is required')
  })

  test.each([null, undefined, 'app', 5, []])('%o is no app', (value) => {
    expect(problemsOf(value)).toContain('an app is the object given to defineApp')
  })

  test('client keys that the engine owns are refused with the reason', () => {
    for (const [key, reason] of ownedClientKeys) {
      expect(problemsOf(appWith('kafka.client', { [key]: 'x' }))).toBe(
        `kafka.client: the key ${key} belongs to the engine: ${reason}`,
      )
    }
  })

  test('the options that those reasons point to exist', () => {
    for (const [key, reason] of ownedClientKeys) {
      const path = /set ([a-zA-Z.]+)/.exec(reason)?.[1]
      if (path !== undefined) expect(Object.keys(appOptions), `${key}: ${reason}`).toContain(path)
    }
  })

  test.each([
    ['producer.lingerMs', 5, 'linger.ms'],
    ['producer.lingerMs', 5, 'queue.buffering.max.ms'],
    ['producer.batchBytes', 5_000, 'batch.size'],
    ['producer.compression', 'lz4', 'compression.codec'],
    ['producer.compression', 'lz4', 'compression.type'],
  ])('%s is refused beside the client key that says the same', (path, value, key) => {
    const client = appWith('kafka.client', { [key]: value })
    expect(() => resolveOptions(client)).not.toThrow()
    expect(problemsOf(withValue(client, path, value))).toBe(
      `kafka.client: the key ${key} and ${path} say the same; set one of them`,
    )
  })

  test('client keys of the classic protocol are refused with the other one', () => {
    for (const key of classicOnlyClientKeys) {
      const client = { [key]: 3000 }
      const kafka = { ...smallest.kafka, client }
      expect(resolveOptions({ ...smallest, kafka }).kafka.client).toEqual(client)
      const told = problemsOf({ ...smallest, kafka: { ...kafka, groupProtocol: 'consumer' } })
      expect(told).toContain(`the key ${key} must not be set with kafka.groupProtocol consumer`)
    }
  })

  test('two actors cannot go by one name', () => {
    expect(problemsOf({ ...smallest, actors: [{ handler: module }, { handler: module }] })).toBe(
      "actors[1].name: 'enrich' is the name of another actor already",
    )
  })

  test("sinks cannot take the names of the engine's own", () => {
    expect(problemsOf(appWith('sinks', { kafka: sink }))).toContain('the name kafka belongs to the engine')
  })

  test('secrets are never part of a message', () => {
    expect(problemsOf(appWith('http.token', 'hunter2'))).toContain(
      'http.token: the string that is given is not a token',
    )
    expect(problemsOf(appWith('http.token', 'hunter2'))).not.toContain('hunter2')
    for (const [path, value] of [
      ['url', 'me:hunter2@a:8081'],
      ['token', 'hunter2 and so on'],
      ['headers', { a: 'hunter2\n' }],
    ] as const) {
      expect(problemsOf(appWith(`schemaRegistry.${path}`, value))).not.toContain('hunter2')
    }
    const told = problemsOf(appWith('kafka.client', { 'sasl.password': { hunter2: 'hunter2' }, 'group.id': 'hunter2' }))
    expect(told).toContain('kafka.client.sasl.password')
    expect(told).not.toContain('hunter2')
  })
})

describe('handlers', () => {
  test('are named after themselves or their module', () => {
    const named = defineHandler({ ...handler, name: 'count' })
    const actors = [
      { handler: module },
      { handler: '/app/%41 b.worker.ts' },
      { handler: new URL('file:///app/geo/index.js') },
      { handler },
      { handler: named },
    ]
    expect(resolveOptions({ ...smallest, actors }).actors.map((actor) => actor.name)).toEqual([
      'enrich',
      '%41 b.worker',
      'geo',
      'clicks',
      'count',
    ])
  })

  test('a path is relative to the module of the app, and to nothing else', () => {
    const app = actorWith('handler', './handlers/enrich.js')
    expect(resolveOptions(app, { baseUrl: new URL('file:///app/clicks.js') }).actors[0]?.handler).toEqual(
      pathToFileURL('/app/handlers/enrich.js'),
    )
    expect(problemsOf(app)).toContain('write new URL("./handlers/enrich.js", import.meta.url)')
    expect(resolveOptions(actorWith('handler', '/a#b/enrich.js')).actors[0]?.handler).toEqual(
      pathToFileURL('/a#b/enrich.js'),
    )
  })
})

describe('print', () => {
  const app = resolveOptions({
    ...smallest,
    kafka: {
      ...smallest.kafka,
      client: { 'sasl.password': 'hunter2', 'sasl.username': 'me', 'ssl.key.pem': 'hunter2' },
    },
    http: { token: 'hunter2-and-so-on' },
    schemaRegistry: {
      url: 'http://me:hunter2@a:8081,https://b/apis/v7/',
      username: 'me',
      password: 'hunter2',
      headers: { 'x-key': 'hunter2' },
      certFile: 'cert.pem',
      keyFile: 'key.pem',
      keyPassphrase: 'hunter2',
    },
    sinks: { postgres: { ...sink, url: 'postgres://me:hunter2@db' } as typeof sink },
  })

  test('the options in force are shown without secrets', () => {
    expect(describeOptions(app)).not.toContain('hunter2')
    expect(describeOptions(app)).toMatch(/^kafka\.client\.sasl\.username +me$/m)
    expect(describeOptions(app)).toMatch(/^kafka\.client\.sasl\.password +\*\*\*$/m)
    expect(describeOptions(app)).toMatch(/^actors\.enrich\.handler +\/app\/enrich\.js$/m)
    expect(describeOptions(app)).toMatch(/^sinks +postgres$/m)
    expect(describeOptions(app)).toMatch(/^http\.token +\*\*\*$/m)
    expect(describeOptions(app)).toMatch(/^schemaRegistry\.url +http:\/\/\*\*\*@a:8081, https:\/\/b\/apis\/v7$/m)
    expect(describeOptions(app)).toMatch(/^schemaRegistry\.headers\.x-key +\*\*\*$/m)
    expect(maskOptions({ ...app, schemaRegistry: { ...app.schemaRegistry, token: 'hunter2' } })).toMatchObject({
      schemaRegistry: { token: '***' },
    })
    expect(JSON.stringify(maskOptions(app))).not.toContain('hunter2')
  })

  test.each(['sasl.pasword', 'sasl.passwrod', 'sals.pasword', 'ssl.key.pasword'])(
    'a secret is one also as %s',
    (key) => {
      expect(maskClientConfig({ [key]: 'hunter2', 'sasl.username': 'me', 'sasl.mechanisms': 'PLAIN' })).toEqual({
        [key]: '***',
        'sasl.username': 'me',
        'sasl.mechanisms': 'PLAIN',
      })
    },
  )

  test('every option is in the docs, with its flag and its variable', () => {
    const docs = describeOptionTable('app') + describeOptionTable('actor')
    for (const path of [...Object.keys(appOptions), ...Object.keys(actorOptions)]) {
      expect(docs).toContain(`| \`${path}\` |`)
    }
    for (const { path } of listFlags()) {
      expect(docs).toContain(flagName(path))
      expect(docs).toContain(envName(path))
    }
    for (const line of docs.trim().split('\n')) expect(line.match(/(?<!\\)\|/g)).toHaveLength(5)
  })

  test('flags and variables follow from the path, and none is there twice', () => {
    expect(flagName('threads.maxHeapMb')).toBe('--threads-max-heap-mb')
    expect(envName('kafka.groupId')).toBe('TROUPE_KAFKA_GROUP_ID')
    const names = listFlags().map(({ path }) => flagName(path))
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('nearestName', () => {
  const names = ['commitIntervalMs', 'drainTimeoutMs', 'http', 'log', 'threads']
  test.each([
    ['commitIntervalMS', 'commitIntervalMs'],
    ['comitIntervalMs', 'commitIntervalMs'],
    ['commitItnervalMs', 'commitIntervalMs'],
    ['drainTimeout', 'drainTimeoutMs'],
    ['htpp', 'http'],
    ['logs', 'log'],
    ['thread', 'threads'],
  ])('%s → %s', (name, nearest) => {
    expect(nearestName(name, names)).toBe(nearest)
  })

  test.each(['', 'x', 'foo', 'commit', 'windows'])('%s → none', (name) => {
    expect(nearestName(name, names)).toBeNull()
  })
})

test('an app is recognised by what it is, not by where its class came from', () => {
  expect(isApp(defineApp(smallest))).toBe(true)
  expect(isApp(JSON.parse(JSON.stringify(defineApp({ actors: [] }))))).toBe(true)
  for (const value of [null, undefined, 5, {}, smallest, { kind: 'app' }]) expect(isApp(value)).toBe(false)
})

test('the resolved shape fits its type without casts at its users', () => {
  const app: ResolvedApp = resolveOptions(smallest)
  expect(app.kafka.client).toEqual({})
})
