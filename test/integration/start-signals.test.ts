/** How `troupe run` takes signals at any time, and that it needs no rights of root. */
import { createServer } from 'node:net'
import { once } from 'node:events'
import process from 'node:process'
import { afterEach, describe, expect, test } from 'vitest'
import { CommandProcess, findFreePort } from '../support/command-process.ts'
import {
  bootstrapServers,
  createTopic,
  groupMembers,
  kafkaIsAvailable,
  produceAll,
  readAll,
  uniqueName,
} from '../support/real-kafka.ts'

const app = 'test/integration/members/copy-app.mjs'
/** An ordinary user of every system: nobody. */
const NOBODY = 65_534

async function makeFlow(): Promise<Record<string, string>> {
  const name = uniqueName('signals')
  const env = { KAFKA_BROKERS: bootstrapServers, INPUT_TOPIC: name, OUTPUT_TOPIC: `${name}-out` }
  await createTopic(env.INPUT_TOPIC, 2)
  await createTopic(env.OUTPUT_TOPIC, 2)
  return env
}

describe.skipIf(!kafkaIsAvailable)('troupe run', () => {
  const processes: CommandProcess[] = []
  const run = (args: readonly string[], env: Record<string, string>, uid?: number): CommandProcess => {
    const started = CommandProcess.troupe(['run', app, ...args], { env, ...(uid === undefined ? {} : { uid }) })
    processes.push(started)
    return started
  }
  const said = (command: CommandProcess, words: string): Promise<void> =>
    expect.poll(() => command.stderr, { interval: 20 }).toContain(words)

  afterEach(async () => {
    for (const each of processes.splice(0)) await each.kill()
  })

  test('--help says what there is, with examples', async () => {
    const end = await CommandProcess.troupe(['--help']).ended
    expect(end).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toMatch(/run \[options\] <module>[^]*Examples:[^]*SIGTERM/)
  })

  test('works as an ordinary user, and leaves its group on SIGTERM', async (context) => {
    const { code } = await CommandProcess.troupe(['--version'], { uid: process.getuid?.() === 0 ? NOBODY : undefined })
      .ended
    context.skip(code !== 0, 'this repository is not readable by others')
    const env = await makeFlow()
    await produceAll(env['INPUT_TOPIC'] ?? '', [{ key: '1', value: '{"n":1}' }])
    const command = run([], env, process.getuid?.() === 0 ? NOBODY : undefined)
    expect(await readAll(env['OUTPUT_TOPIC'] ?? '', { until: 1 })).toHaveLength(1)
    const end = await command.stop()
    expect(end).toMatchObject({ code: 0, signal: null, stdout: '' })
    expect(end.stderr).toContain('SIGTERM: finishing what is in flight')
    expect(await groupMembers(env['INPUT_TOPIC'] ?? '')).toEqual([])
  })

  // Case 58: close during connect.
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s while it connects ends it, with one message at most',
    async (signal) => {
      const silent = createServer().listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const { port } = silent.address() as { port: number }
      const env = { ...(await makeFlow()), KAFKA_BROKERS: `127.0.0.1:${port}` }
      const connected = once(silent, 'connection')
      // Longer than the test may take: a stop does not wait for it.
      const command = run(['--kafka-connect-timeout-ms', '600000'], env)
      await connected
      command.signal(signal)
      const end = await command.ended
      expect(end).toMatchObject({ code: 0, signal: null })
      expect(end.stderr).not.toMatch(/^error |"level":"error"/m)
      expect(end.stderr).toContain(`${signal}: finishing what is in flight`)
      expect(end.stderr).not.toMatch(/(\n|\\n)\s+at |bug in Troupe/)
      silent.close()
    },
  )

  test('a second SIGTERM ends it at once, by that signal', async () => {
    const env = await makeFlow()
    // In flight for longer than the test may take.
    await produceAll(env['INPUT_TOPIC'] ?? '', [{ key: '1', value: '{"n":1,"waitMs":600000}' }])
    const port = await findFreePort()
    const command = run(['--http-port', String(port), '--drain-timeout-ms', '200000'], env)
    const inFlight = async (): Promise<unknown> => {
      const answer = await fetch(`http://127.0.0.1:${port}/status`).catch(() => undefined)
      type Status = { readonly instances: readonly { readonly status: { readonly recordsInFlight: number } | null }[] }
      return ((await answer?.json()) as Status | undefined)?.instances[0]?.status?.recordsInFlight
    }
    await expect.poll(inFlight).toBe(1)
    command.signal('SIGTERM')
    await said(command, 'finishing what is in flight')
    // Again until it counts: within half a second it is the same press, passed on by npm.
    const pressAgain = (): boolean => {
      if (command.isRunning) command.signal('SIGTERM')
      return command.isRunning
    }
    await expect.poll(pressAgain, { interval: 100 }).toBe(false)
    const end = await command.ended
    expect(end).toMatchObject({ code: null, signal: 'SIGTERM' })
    expect(end.stderr).toContain('SIGTERM again: ended at once')
  })
})
