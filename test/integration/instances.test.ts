/** `troupe run --instances N` with real processes on real Kafka: they share the work, and one that dies costs nothing. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type {
  InstancesStatus,
  InstanceStatus,
  ParkedInInstance,
} from '../../src/supervisor/instances/merged-answers.ts'
import { CommandProcess, findFreePort } from '../support/command-process.ts'
import { KafkaProbe, bootstrapServers, groupMembers, kafkaIsAvailable, uniqueName } from '../support/real-kafka.ts'
import { CopyFlow, keyed } from './copy-flow.ts'

const app = 'test/integration/members/copy-app.mjs'
const partitions = 6
/** Not a promise of speed: how long a busy machine may take. */
const patience = { timeout: 120_000, interval: 200 }

/** A zombie is not: who adopts orphans may be slow to bury them. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return process.platform !== 'linux'
  }
}

const TOKEN = 'a-token-of-a-test'

/** `troupe run --instances 3` and what its one HTTP port says. */
class RunningGroup {
  readonly command: CommandProcess
  /** Every total that was seen, in that order. */
  readonly totals: number[] = []
  readonly #url: string
  readonly #pids = new Set<number>()

  private constructor(command: CommandProcess, port: number) {
    this.command = command
    this.#url = `http://127.0.0.1:${port}`
  }

  static async start(flow: CopyFlow, gateFile: string, sessionTimeoutMs = 20_000): Promise<RunningGroup> {
    const port = await findFreePort()
    const flags = {
      instances: 3,
      'http-port': port,
      'http-host': '127.0.0.1',
      'kafka-group-id': flow.group,
      'kafka-session-timeout-ms': sessionTimeoutMs,
      'restart-backoff-ms': 100,
      // Longer than the tests may take, as is the time-out of what waits at the gate.
      'drain-timeout-ms': 250_000,
    }
    const actor = ['handlerTimeoutMs=600000', 'idHeader=true', 'failedRecords=park', 'retry.attempts=1']
    const args = [
      ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
      ...actor.map((option) => `--actor=*.${option}`),
    ]
    const env = {
      KAFKA_BROKERS: bootstrapServers,
      INPUT_TOPIC: flow.input,
      OUTPUT_TOPIC: flow.output,
      GATE_FILE: gateFile,
      TROUPE_HTTP_TOKEN: TOKEN,
    }
    return new RunningGroup(CommandProcess.troupe(['run', app, ...args], { env }), port)
  }

  /** Undefined while nobody listens. */
  async #get(path: string): Promise<Response | undefined> {
    return await fetch(`${this.#url}/${path}`).catch(() => undefined)
  }

  async statusCode(path: string): Promise<number | undefined> {
    return (await this.#get(path))?.status
  }

  async instances(): Promise<readonly InstanceStatus[]> {
    const answer = await this.#get('status')
    const { instances } = ((await answer?.json()) ?? { instances: [] }) as InstancesStatus
    for (const { pid } of instances) if (pid !== null) this.#pids.add(pid)
    return instances
  }

  /** How many partitions each owns. */
  async shares(): Promise<(number | undefined)[]> {
    return (await this.instances()).map(({ status }) => status?.partitions.length)
  }

  /** Records done, over all instances and partitions. */
  async total(): Promise<number> {
    const page = (await (await this.#get('metrics'))?.text()) ?? ''
    const series = page.split('\n').filter((line) => /^troupe_records_processed_total\{.*outcome="done"/.test(line))
    const total = series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    this.totals.push(total)
    return total
  }

  /** The records that wait for a decision, and the instances that have them. */
  async parked(): Promise<readonly ParkedInInstance[]> {
    const answer = (await (await this.#get('parked'))?.json()) as { records: readonly ParkedInInstance[] } | undefined
    return answer?.records ?? []
  }

  async decide(id: string, decision: string): Promise<number> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` }
    const post = { method: 'POST', headers, body: JSON.stringify({ decision }) }
    return (await fetch(`${this.#url}/parked/${id}`, post)).status
  }

  async page(): Promise<string> {
    return (await (await this.#get('metrics'))?.text()) ?? ''
  }

  /** Waits until each owns its third. */
  async shared(): Promise<void> {
    await expect.poll(() => this.shares(), patience).toEqual([2, 2, 2])
  }

  /** The processes that were seen and are still there, the parent included. */
  get alive(): number[] {
    return [this.command.pid, ...this.#pids].filter(isAlive)
  }

  /** Ctrl-C, as a terminal sends it: to every process. */
  pressCtrlC(): void {
    for (const pid of this.alive) process.kill(pid, 'SIGINT')
  }

  async end(): Promise<void> {
    await this.command.kill()
    for (const pid of this.alive) process.kill(pid, 'SIGKILL')
  }
}

describe.skipIf(!kafkaIsAvailable)('troupe run --instances', { timeout: 900_000 }, () => {
  const probe = new KafkaProbe(bootstrapServers)
  const groups: RunningGroup[] = []
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'troupe-instances-'))
  })
  afterEach(async () => {
    for (const group of groups.splice(0)) await group.end()
  })
  afterAll(async () => {
    await probe.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function start(
    name: string,
    sessionTimeoutMs?: number,
  ): Promise<{ flow: CopyFlow; group: RunningGroup; gateFile: string }> {
    const flow = await CopyFlow.make(probe, name, { partitions })
    const gateFile = join(folder, name)
    const group = await RunningGroup.start(flow, gateFile, sessionTimeoutMs)
    groups.push(group)
    return { flow, group, gateFile }
  }

  test('three share six partitions; one that is killed is started again and nothing is lost; SIGTERM drains all', async () => {
    const { flow, gateFile, group } = await start('instances')
    await group.shared()
    await flow.put(keyed(3_000))
    await flow.handled(3_000, patience.timeout)
    await expect.poll(() => group.total(), patience).toBeGreaterThanOrEqual(3_000)
    await expect.poll(() => flow.committedTotal(), patience).toBe(3_000)
    // One that is slow to answer is named as a reason, until it does.
    for (const path of ['healthz', 'readyz']) await expect.poll(() => group.statusCode(path), patience).toBe(200)
    for (const instance of ['1', '2', '3', 'parent']) {
      await expect.poll(() => group.page(), patience).toContain(`process_resident_memory_bytes{instance="${instance}"}`)
    }
    expect(await group.page()).toContain('troupe_instances{state="running"} 3\n')

    // In flight when its process dies, at each of them: 97 keys are on all partitions.
    await flow.put(keyed(97, () => ({ gate: true }), 97, 3_000))
    const inFlight = async (): Promise<boolean> =>
      (await group.instances()).every(({ status }) => (status?.recordsInFlight ?? 0) > 0)
    await expect.poll(inFlight, patience).toBe(true)
    const victim = (await group.instances())[1]!
    process.kill(victim.pid!, 'SIGKILL')
    await expect.poll(async () => (await group.instances())[1]?.restarts, patience).toBe(1)
    expect(await group.total()).toBeGreaterThanOrEqual(3_000)
    await writeFile(gateFile, '')
    await flow.put(keyed(3_000, () => ({}), 97, 3_097))
    await flow.handled(6_097, patience.timeout)
    await group.shared()
    const [first, second, third] = await group.instances()
    expect(second).toMatchObject({ state: 'running', restarts: 1, lastEnd: 'was ended by SIGKILL' })
    expect(second?.pid).not.toBe(victim.pid)
    expect([first?.restarts, third?.restarts]).toEqual([0, 0])
    await expect.poll(() => group.total(), patience).toBeGreaterThanOrEqual(6_097)
    expect(group.totals).toEqual([...group.totals].sort((one, other) => one - other))
    expect(await group.page()).toContain('troupe_instance_restarts_total 1\n')

    // In the middle of work.
    await flow.put(keyed(2_000, () => ({ workMs: 1 }), 97, 6_097))
    await flow.handled(6_200, patience.timeout)
    const end = await group.command.stop()
    expect(end).toMatchObject({ code: 0, signal: null, stdout: '' })
    expect(end.stderr.match(/finishing what is in flight/g)).toHaveLength(1)
    expect(end.stderr).not.toContain('held open')
    for (const instance of [1, 2, 3]) expect(end.stderr).toContain(`"instance":${instance},`)
    expect(group.alive).toEqual([])
    expect(await groupMembers(flow.group)).toEqual([])
    const handled = await flow.countHandled()
    expect(await flow.committedTotal()).toBeLessThanOrEqual(handled)
    const repeatsAtStop = (await flow.balance()).repeats

    const next = await RunningGroup.start(flow, gateFile)
    groups.push(next)
    await flow.handled(8_097, patience.timeout)
    const { broken, lost, orderViolations, repeats, unexpected } = await flow.balance()
    // What was finished is committed: the next one repeats nothing of it.
    expect(repeats).toBe(repeatsAtStop)
    expect({ broken, lost, orderViolations, unexpected }).toEqual({
      broken: 0,
      lost: [],
      orderViolations: [],
      unexpected: [],
    })
    await next.shared()
    next.pressCtrlC()
    const pressed = await next.command.ended
    expect(pressed).toMatchObject({ code: 0, signal: null })
    expect(pressed.stderr).not.toMatch(/again: ended at once/)
    expect(next.alive).toEqual([])
  })

  test('a parked record is listed with its instance, and a decision goes to that one', async () => {
    const { flow, group } = await start('parked')
    await group.shared()
    await flow.put(keyed(97, () => ({ fail: 'always' })))
    const parkedAt = async (): Promise<number> => new Set((await group.parked()).map(({ instance }) => instance)).size
    await expect.poll(async () => (await group.parked()).length, patience).toBe(97)
    await expect.poll(parkedAt, patience).toBe(3)
    const decideOnAll = async (): Promise<number> => {
      const records = await group.parked()
      for (const { id } of records) await group.decide(id, 'skip')
      return records.length
    }
    await expect.poll(decideOnAll, patience).toBe(0)
    await expect.poll(() => flow.committedTotal(), patience).toBe(97)
    await expect.poll(() => group.decide(`${flow.input}/0/0`, 'skip'), patience).toBe(404)
  })

  test('a second signal ends all of them at once', async () => {
    const { flow, group } = await start('at-once')
    await group.shared()
    await flow.put(keyed(97, () => ({ gate: true })))
    const inFlight = async (): Promise<boolean> =>
      (await group.instances()).every(({ status }) => (status?.recordsInFlight ?? 0) > 0)
    await expect.poll(inFlight, patience).toBe(true)
    group.command.signal('SIGTERM')
    await expect.poll(() => group.command.stderr, patience).toContain('finishing what is in flight')
    // Again until it counts: within half a second it is the same press, passed on by npm.
    const pressAgain = (): boolean => {
      if (group.command.isRunning) group.command.signal('SIGTERM')
      return group.command.isRunning
    }
    await expect.poll(pressAgain, { ...patience, interval: 100 }).toBe(false)
    expect(await group.command.ended).toMatchObject({ code: null, signal: 'SIGTERM' })
    await expect.poll(() => group.alive, patience).toEqual([])
  })

  test('they drain and leave when their parent is killed', async () => {
    const { flow, group } = await start('orphans', 300_000)
    await group.shared()
    await group.command.kill()
    await expect.poll(() => group.alive, patience).toEqual([])
    // Left, rather than timed out.
    await expect.poll(() => groupMembers(flow.group), patience).toEqual([])
  })

  test('what keeps all of them from starting is told once, with its exit code', async () => {
    const env = { KAFKA_BROKERS: bootstrapServers, INPUT_TOPIC: uniqueName('missing'), OUTPUT_TOPIC: 'missing' }
    const args = ['run', app, '--instances=3', '--http-port=0', '--log-level=silent', '--log-format=pretty']
    const end = await CommandProcess.troupe(args, { env }).ended
    expect(end).toMatchObject({ code: 1, signal: null })
    expect(end.stderr).toMatch(/^error TOPIC_MISSING: .*\nwhat to do: .*\n$/)
  })
})
