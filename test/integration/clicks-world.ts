/** Where the clicks pipeline runs for a test: three brokers, a PostgreSQL, the supervisors' processes. */
import { expect } from 'vitest'
import { CommandProcess, findFreePort } from '../support/command-process.ts'
import { KafkaProbe, startKafka, type KafkaCluster } from '../support/real-kafka.ts'
import type { InstanceStatus } from '../../src/supervisor/instances/merged-answers.ts'
import { startPostgres, type RealPostgres } from '../support/real-postgres.ts'

const topics = ['user_clicks', 'enriched_clicks', 'user_clicks_dlq']
const group = 'click-enricher'
const partitions = 12

const table = `create table enriched_clicks (
  user_id bigint, session_id bigint, timestamp timestamptz, url text, ip inet, country text,
  primary key (user_id, timestamp))`

interface Answer {
  readonly code: number
  readonly body: { readonly reasons?: readonly string[]; readonly instances?: readonly InstanceStatus[] }
}

/** A supervisor of the app in a process of its own. */
export interface ClickSupervisor {
  readonly process: CommandProcess
  ask(path: '/readyz' | '/status'): Promise<Answer>
}

export class ClicksWorld {
  readonly #cluster: KafkaCluster
  readonly postgres: RealPostgres
  #probe: KafkaProbe
  readonly #processes: CommandProcess[] = []

  private constructor(cluster: KafkaCluster, postgres: RealPostgres) {
    this.#cluster = cluster
    this.postgres = postgres
    this.#probe = new KafkaProbe(cluster.bootstrapServers)
  }

  static async start(): Promise<ClicksWorld> {
    return new ClicksWorld(await startKafka({ brokers: 3 }), await startPostgres())
  }

  get probe(): KafkaProbe {
    return this.#probe
  }

  get env(): Record<string, string> {
    return { KAFKA_BROKERS: this.#cluster.bootstrapServers, PG_URL: this.postgres.url }
  }

  /** What somebody has made for the pipeline: each topic on all brokers, and the table. */
  async createFlow(): Promise<void> {
    for (const topic of topics) await this.probe.createTopic(topic, partitions)
    await this.postgres.query(table)
  }

  /** Ends what a test has left running, and takes its topics, its group and its table away. */
  async clear(): Promise<void> {
    for (const process of this.#processes.splice(0)) await process.kill()
    const admin = await this.probe.admin()
    const existing = async (): Promise<string[]> => (await admin.listTopics()).filter((name) => topics.includes(name))
    const left = await existing()
    if (left.length > 0) await admin.deleteTopics({ topics: left })
    await expect.poll(existing).toEqual([])
    // A member that was killed is in its group until its session ends.
    const deleteGroup = (): Promise<string> => admin.deleteGroups([group]).then(() => 'deleted', describeGroupError)
    await expect.poll(deleteGroup, { interval: 500 }).toBe('deleted')
    await this.postgres.query('drop table if exists enriched_clicks')
    // The next test's topics have the same names and other leaders.
    await this.probe.close()
    this.#probe = new KafkaProbe(this.#cluster.bootstrapServers)
  }

  async stop(): Promise<void> {
    await this.probe.close()
    await this.#cluster.stop()
    await this.postgres.stop()
  }

  /** `troupe run examples/clicks/clicks.ts`; resolves when it owns partitions. */
  async startSupervisor(): Promise<ClickSupervisor> {
    const port = await findFreePort()
    // A member that is killed is missed after this long; one that is alive must not be, however busy the machine is.
    const args = ['--kafka-session-timeout-ms', '20000', '--http-host', '127.0.0.1', '--http-port', String(port)]
    const process = CommandProcess.troupe(['run', 'examples/clicks/clicks.ts', ...args], { env: this.env })
    return await this.#isReady(process, port)
  }

  /** `npm start -- --no-generator`; resolves when it owns partitions. */
  async startWithoutGenerator(): Promise<ClickSupervisor> {
    const port = await findFreePort()
    return await this.#isReady(this.npmStart(['--no-generator', '--http-port', String(port)]), port)
  }

  npmStart(args: readonly string[]): CommandProcess {
    const process = CommandProcess.node('test/integration/members/start.mjs', args, { env: this.env })
    this.#processes.push(process)
    return process
  }

  async #isReady(process: CommandProcess, port: number): Promise<ClickSupervisor> {
    this.#processes.push(process)
    const ask = async (path: string): Promise<Answer> => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`)
      return { code: answer.status, body: (await answer.json()) as Answer['body'] }
    }
    const code = async (): Promise<unknown> => {
      if (!process.isRunning) throw new Error(`the supervisor ended: ${process.stderr}`)
      return await ask('/readyz').then(
        ({ code }) => code,
        (error: unknown) => error,
      )
    }
    await expect.poll(code, { interval: 100 }).toBe(200)
    return { process, ask }
  }

  /** Waits until this many outputs stand in `enriched_clicks`. */
  async outputs(count: number): Promise<void> {
    const total = async (): Promise<number> => (await this.ends('enriched_clicks')).reduce((sum, end) => sum + end, 0)
    await expect.poll(total, { interval: 100 }).toBeGreaterThanOrEqual(count)
  }

  /** Waits until all that is in `user_clicks` is finished and committed. */
  async caughtUp(): Promise<void> {
    const ends = await this.ends('user_clicks')
    const positions = async (): Promise<number[]> =>
      (await this.probe.committedOffsets(group, 'user_clicks')).map(({ position }) => position ?? 0)
    await expect.poll(positions, { interval: 200 }).toEqual(ends)
  }

  async ends(topic: string): Promise<number[]> {
    const admin = await this.probe.admin()
    const offsets = await admin.fetchTopicOffsets(topic)
    return offsets.sort((a, b) => a.partition - b.partition).map(({ high }) => Number(high))
  }
}

function describeGroupError(error: unknown): string {
  const groups = (error as { groups?: readonly { errorCode?: number }[] }).groups
  // GROUP_ID_NOT_FOUND: this test had none.
  return groups?.every(({ errorCode }) => errorCode === 69) === true ? 'deleted' : String(error)
}
