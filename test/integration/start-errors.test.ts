/**
 * What is wrong from the start ends `troupe run` by itself, in one message that names the cause and what to do. Real
 * brokers and a real PostgreSQL, because what they say about a wrong password or a wrong certificate is the point.
 */
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CommandProcess, type CommandEnd } from '../support/command-process.ts'
import { bootstrapServers, kafkaIsAvailable, startKafka, type KafkaCluster } from '../support/real-kafka.ts'
import { startPostgres, type RealPostgres } from '../support/real-postgres.ts'

const clicksApp = 'examples/clicks/clicks.ts'
const table = `create table enriched_clicks (
  user_id bigint, session_id bigint, timestamp timestamptz, url text, ip inet, country text,
  primary key (user_id, timestamp))`

/** No port that is found free would stay so while servers start beside it. */
const nobody = '127.0.0.1:1'

interface World {
  readonly withLogIn: KafkaCluster
  readonly withTls: KafkaCluster
  readonly postgres: RealPostgres
  readonly taken: Server
  readonly takenPort: number
  /** Where broken modules are written; `troupe` is found from there. */
  readonly folder: string
}

async function makeWorld(): Promise<World> {
  const taken = createServer().listen(0, '0.0.0.0')
  const [withLogIn, withTls, postgres, folder] = await Promise.all([
    startKafka({ sasl: [{ username: 'alice', password: 'right' }] }),
    startKafka({ tls: true }),
    startPostgres(),
    mkdtemp(join(tmpdir(), 'troupe-start-')),
    once(taken, 'listening'),
  ])
  await postgres.query(table)
  await postgres.query('create database without_table')
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await mkdir(join(folder, 'node_modules'))
  await symlink(fileURLToPath(new URL('../..', import.meta.url)), join(folder, 'node_modules/troupe'))
  const takenPort = (taken.address() as AddressInfo).port
  return { withLogIn, withTls, postgres, taken, takenPort, folder }
}

/** The message: one line that says what, one that says what to do; nothing else on standard error, nothing left over. */
function expectOneMessage(end: CommandEnd, start: RegExp): void {
  expect(end.stderr).toMatch(start)
  expect(end.stderr.trimEnd().split('\n')).toHaveLength(2)
  expect(end.stderr).toMatch(/\nwhat to do: .+\n$/)
  // No stack, neither as lines nor within a log line; none of the client's own remarks.
  expect(end.stderr).not.toMatch(/(\n|\\n)\s+at |suppressed\)/)
  expect(end.stdout).toBe('')
}

describe.skipIf(!kafkaIsAvailable)('what is wrong from the start', { concurrent: true }, () => {
  let world: World
  beforeAll(async () => {
    world = await makeWorld()
  })
  afterAll(async () => {
    world.taken.close()
    await Promise.all([world.withLogIn.stop(), world.withTls.stop(), world.postgres.stop()])
    await rm(world.folder, { recursive: true, force: true })
  })

  /** `troupe run`, with servers that are right unless said otherwise. */
  async function run(module: string, args: readonly string[], env: Record<string, string> = {}): Promise<CommandEnd> {
    // As on a terminal: two lines for people.
    const servers = { TROUPE_LOG_FORMAT: 'pretty', KAFKA_BROKERS: bootstrapServers, PG_URL: world.postgres.url }
    const quiet = { TROUPE_LOG_LEVEL: 'error', TROUPE_HTTP_PORT: '0' }
    return await CommandProcess.troupe(['run', module, ...args], { env: { ...servers, ...quiet, ...env } }).ended
  }
  const client = (key: string, value: string): string[] => ['--kafka-client', `${key}=${value}`]

  describe('options', () => {
    test.each([
      [['--commit-interval-ms', '5s'], "commitIntervalMs: '5s' is not a whole number of milliseconds"],
      [['--http-port', '99999'], "http.port: '99999' is not a port"],
      [['--kafka-brokers', 'nonsense'], "kafka.brokers: 'nonsense' is not a list of host:port"],
      [['--actor', 'enrich.ordr=key'], 'enrich.ordr: unknown option, did you mean enrich.order?'],
      [client('enable.auto.commit', 'true'), 'the key enable.auto.commit belongs to the engine'],
      [client('sasl.mechanismz', 'PLAIN'), 'No such configuration property: "sasl.mechanismz"'],
    ])('%j', async (args, words) => {
      const end = await run(clicksApp, args)
      expect(end.code).toBe(2)
      expect(end.stderr).toMatch(/^error OPTIONS_INVALID: /)
      expect(end.stderr).toContain(words)
    })

    test('a variable with an unknown name: its near miss', async () => {
      const end = await run(clicksApp, [], { TROUPE_COMMIT_INTERVALL_MS: '5' })
      expect(end.code).toBe(2)
      expectOneMessage(end, /TROUPE_COMMIT_INTERVALL_MS: unknown option, did you mean TROUPE_COMMIT_INTERVAL_MS\?/)
    })

    test('a flag with an unknown name: its near miss', async () => {
      const end = await run(clicksApp, ['--kafka-group-idd', 'x'])
      expect(end).toMatchObject({ code: 2, stdout: '' })
      expect(end.stderr).toBe("error: unknown option '--kafka-group-idd'\n(Did you mean --kafka-group-id?)\n")
    })
  })

  describe('brokers', () => {
    const scram = [
      ...client('security.protocol', 'sasl_plaintext'),
      ...client('sasl.mechanisms', 'SCRAM-SHA-512'),
      ...client('sasl.username', 'alice'),
    ]

    test('nobody listens there', async () => {
      const brokers = nobody
      const end = await run(clicksApp, [], { KAFKA_BROKERS: brokers })
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error BROKER_UNREACHABLE: .*Connection refused/)
      expect(end.stderr).toContain(brokers)
    })

    test('no such host', async () => {
      const end = await run(clicksApp, [], { KAFKA_BROKERS: 'no-such-host.invalid:9092' })
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error BROKER_UNREACHABLE: .*no-such-host\.invalid:9092/)
    })

    test('the wrong password', async () => {
      const env = { KAFKA_BROKERS: world.withLogIn.bootstrapServers, TROUPE_KAFKA_CLIENT_SASL_PASSWORD: 'hunter2' }
      const end = await run(clicksApp, scram, env)
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error BROKER_AUTHENTICATION: .*refused the log-in.*invalid credentials/)
      expect(end.stderr).not.toContain('hunter2')
    })

    test('the right password, and topics that are missing: all of them at once', async () => {
      const env = { KAFKA_BROKERS: world.withLogIn.bootstrapServers, TROUPE_KAFKA_CLIENT_SASL_PASSWORD: 'right' }
      const end = await run(clicksApp, scram, env)
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error TOPIC_MISSING: topic user_clicks .*enriched_clicks .*user_clicks_dlq /)
    })

    test.each([
      ['no log-in, where one is wanted', () => world.withLogIn.bootstrapServers, () => []],
      ['a log-in, where none is wanted', () => bootstrapServers, () => [...scram, ...client('sasl.password', 'x')]],
      ['plaintext to TLS', () => world.withTls.bootstrapServers, () => []],
      [
        'TLS to plaintext',
        () => bootstrapServers,
        () => [...client('security.protocol', 'ssl'), ...client('ssl.ca.location', world.withTls.caFile ?? '')],
      ],
      ['Kafka to PostgreSQL', () => new URL(world.postgres.url).host, () => []],
    ])('%s', async (_, brokers, args) => {
      const end = await run(clicksApp, args(), { KAFKA_BROKERS: brokers() })
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error BROKER_PROTOCOL: .*security\.protocol/)
      expect(end.stderr).toContain(brokers())
    })

    test.each([
      ['the wrong CA', () => world.withTls.wrongCaFile ?? '', 'certificate verify failed'],
      ['no such CA', () => '/no/such/ca.pem', 'ssl.ca.location'],
    ])('%s', async (_, caFile, words) => {
      const args = [...client('security.protocol', 'ssl'), ...client('ssl.ca.location', caFile())]
      const end = await run(clicksApp, args, { KAFKA_BROKERS: world.withTls.bootstrapServers })
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error BROKER_TLS: /)
      expect(end.stderr).toContain(words)
    })
  })

  describe('the database', () => {
    const changed = (change: (url: URL) => void): string => {
      const url = new URL(world.postgres.url)
      change(url)
      return url.href
    }

    test.each([
      ['nobody listens there', (url: URL) => (url.port = '1'), /nobody listens there/],
      ['no such host', (url: URL) => (url.hostname = 'no-such-host.invalid'), /host name is unknown/],
      ['the wrong password', (url: URL) => (url.password = 'hunter2'), /password authentication failed for user/],
      ['no such database', (url: URL) => (url.pathname = '/nowhere'), /database "nowhere" does not exist/],
    ])('%s', async (_, change, words) => {
      const end = await run(clicksApp, [], { PG_URL: changed(change) })
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error DATABASE_UNREACHABLE: PostgreSQL at \S+:\d+ /)
      expect(end.stderr).toMatch(words)
      expect(end.stderr).not.toContain('hunter2')
    })

    test('what is no URL', async () => {
      const end = await run(clicksApp, [], { PG_URL: 'nonsense' })
      expect(end.code).toBe(2)
      expectOneMessage(end, /^error OPTIONS_INVALID: .*database URL/)
    })

    test('a table that is missing', async () => {
      const end = await run(clicksApp, [], { PG_URL: changed((url) => (url.pathname = '/without_table')) })
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error TABLE_MISSING: .*table "enriched_clicks" does not exist/)
    })
  })

  describe('modules', () => {
    /** An app with one handler, whose module has this content. */
    async function writeApp(name: string, handler: string | null, runOn: string): Promise<string> {
      const path = join(world.folder, `${name.replaceAll(/\W/g, '-')}-${runOn}`)
      if (handler !== null) await writeFile(`${path}.ts`, handler)
      const url = JSON.stringify(`file://${path}.ts`)
      await writeFile(
        `${path}-app.ts`,
        `import { defineApp } from 'troupe'
         const actor = { handler: new URL(${url}), runOn: '${runOn}', deadLetter: 'dead' } as const
         export default defineApp({ kafka: { brokers: '127.0.0.1:1', groupId: 'none' }, actors: [actor] })`,
      )
      return `${path}-app.ts`
    }
    const handlerWith = (property: string): string =>
      `import { defineHandler, skip, topic } from 'troupe'
       export default defineHandler({ input: topic('in'), ${property}, handle: () => skip() })`

    const cases = [
      ['a syntax error', 'export default {', 'HANDLER_NOT_LOADED', /does not load: \w*Error: .*:1/],
      ['a missing package', "import 'no-such-package'", 'HANDLER_NOT_LOADED', /Cannot find package 'no-such-package'/],
      ['a missing file', "import './gone.ts'", 'HANDLER_NOT_LOADED', /Cannot find module '\S+gone\.ts'/],
      ['a throw', "throw new Error('not today')", 'HANDLER_NOT_LOADED', /does not load: Error: not today/],
      ['no default export', 'export const a = 1', 'HANDLER_NOT_LOADED', /exports no handler as default/],
      ['no file', null, 'HANDLER_NOT_LOADED', /actor no-file-\w+, .*no-file-\w+\.ts, does not exist/],
      [
        'a setup that throws',
        handlerWith("setup() { throw new Error('no map at /geo') }"),
        'SETUP_FAILED',
        /setup of handler .* failed: no map at \/geo/,
      ],
    ] as const
    const places = ['main', 'threads'].flatMap((runOn) => cases.map((each) => [runOn, ...each] as const))

    test.each(places)('a handler on %s: %s', async (runOn, name, handler, code, words) => {
      const end = await run(await writeApp(name, handler, runOn), [])
      expect(end.code).toBe(1)
      expectOneMessage(end, new RegExp(`^error ${code}: `))
      expect(end.stderr).toMatch(words)
    })

    test('a handler that ends its thread while it loads', async () => {
      const end = await run(await writeApp('exits', 'process.exit(3)', 'threads'), [])
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error HANDLER_NOT_LOADED: .*exited with code 3/)
    })

    test('TypeScript in a package of CommonJS, as npm init makes it, is loaded: only its app is wrong', async () => {
      const folder = await mkdtemp(join(world.folder, 'common-'))
      await writeFile(join(folder, 'package.json'), '{ "type": "commonjs" }')
      await writeFile(join(folder, 'app.ts'), "import { defineApp } from 'troupe'\nexport default defineApp({})\n")
      const end = await run(join(folder, 'app.ts'), [])
      expect(end.code).toBe(2)
      expect(end.stderr).toMatch(/^error OPTIONS_INVALID: /)
    })

    test('no such app', async () => {
      const end = await run('examples/clicks/clickz.ts', [])
      expect(end.code).toBe(1)
      expectOneMessage(end, /^error APP_NOT_LOADED: .*clickz\.ts does not exist/)
    })
  })

  describe('npm start', () => {
    test.each([
      ['nobody listens there', () => nobody],
      ['a log-in is wanted', () => world.withLogIn.bootstrapServers],
      ['TLS is wanted', () => world.withTls.bootstrapServers],
    ])('%s', async (_, brokers) => {
      const env = { KAFKA_BROKERS: brokers(), PG_URL: world.postgres.url }
      const end = await CommandProcess.node('test/integration/members/start.mjs', ['--records', '5'], { env }).ended
      expect(end).toMatchObject({ code: 1, stdout: '' })
      expect(end.stderr.trimEnd().split('\n').at(-1)).toMatch(/^no Kafka broker answers at .* without a log-in: \S/)
      expect(end.stderr).toContain(brokers())
      expect(end.stderr).not.toMatch(/\n\s+at /)
    })
  })

  test('the HTTP port is taken', async () => {
    const end = await run(clicksApp, ['--http-port', String(world.takenPort)])
    expect(end.code).toBe(1)
    expectOneMessage(end, /^error PORT_IN_USE: /)
    expect(end.stderr).toContain(`port ${world.takenPort}`)
  })
})
