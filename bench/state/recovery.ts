/**
 * `kill -9` ten times in 300,000 records that are counted by key: are there exactly as many in the end, is each output seen once,
 * and how long after each restart does it go on?
 */
import { performance } from 'node:perf_hooks'
import { findWrongCounts } from '../../test/chaos/counts.ts'
import { CopyFlow } from '../../test/integration/copy-flow.ts'
import { Load } from '../../test/integration/load.ts'
import { MemberProcess } from '../../test/integration/member-process.ts'
import type { BenchKafka } from '../harness/bench-kafka.ts'
import type { Benchmark } from '../harness/benchmark.ts'
import { cell, type Table } from '../harness/report.ts'
import { spreadOf } from '../harness/rounds.ts'

interface Scenario {
  /** As `members` has it. */
  readonly id: string
  readonly name: string
  readonly goal?: string
  readonly kafka: object
}

const heartbeats = { 'heartbeat.interval.ms': 500 }
const scenarios: readonly Scenario[] = [
  {
    id: 'static',
    name: 'classic protocol, groupInstanceId',
    goal: '≤ 5',
    kafka: { groupInstanceId: 'one', sessionTimeoutMs: 6_000, client: heartbeats },
  },
  { id: 'dynamic', name: 'classic protocol, dynamic', kafka: { sessionTimeoutMs: 6_000, client: heartbeats } },
  { id: 'kip-848', name: 'KIP-848', kafka: { groupProtocol: 'consumer' } },
]

interface Measured {
  /** From a restart's `startSupervisor` to the next output that a read_committed reader sees, each. */
  readonly goingOnSeconds: readonly number[]
  readonly records: number
  readonly lost: number
  readonly repeated: number
  readonly wrongCounts: number
}

export const stateRecovery: Benchmark<{ records: number; kills: number; partitions: number; members: string }> = {
  name: 'state-recovery',
  question:
    'kill -9 ten times in 300,000 records, counted by key, exactly once: is the count right, and how soon does it go on?',
  goal: 'exactly 300,000, each output once; going on ≤ 5 s after each restart with the classic protocol and groupInstanceId',
  rounds: 1,
  defaults: { records: 300_000, kills: 10, partitions: 4, members: 'static,dynamic,kip-848' },
  async run({ settings, rounds, kafka, log }) {
    const broker = await kafka()
    const rows: Table['rows'][number][] = []
    const wanted = settings.members.split(',')
    for (const scenario of scenarios.filter(({ id }) => wanted.includes(id))) {
      const runs: Measured[] = []
      for (let round = 0; round < rounds; round += 1) {
        const measured = await measure(scenario, settings, broker)
        runs.push(measured)
        log(`${scenario.name}: ${JSON.stringify(measured)}`)
      }
      rows.push(rowOf(scenario, runs))
    }
    const columns = ['going on, s, median', 'greatest', 'records', 'lost', 'repeated', 'wrong counts']
    return [{ title: 'After kill -9', columns, rows }]
  },
}

async function measure(
  { kafka }: Scenario,
  { kills, partitions, records }: { kills: number; partitions: number; records: number },
  { probe }: BenchKafka,
): Promise<Measured> {
  const env = { HANDLERS: 'count.mjs', RUN_ON: 'main', LOG_LEVEL: 'warn', KAFKA_OPTIONS: JSON.stringify(kafka) }
  const flow = await CopyFlow.make(probe, 'recovery', { partitions, env })
  const stretch = Math.round(records / (kills + 1))
  // Whoever has come to the place of a kill must not be through before it comes.
  const load = new Load(flow, { ahead: Math.min(20_000, Math.floor(stretch / 2)), workMs: 0, keys: 997, most: records })
  const goingOnSeconds: number[] = []
  let member = await MemberProcess.start(flow.env)
  try {
    for (let kill = 1; kill <= kills; kill += 1) {
      await flow.handled(stretch * kill, 240_000)
      await member.kill()
      const before = await flow.countHandled()
      const startedAtMs = performance.now()
      member = await MemberProcess.start(flow.env)
      await flow.handled(before + 1, 240_000)
      goingOnSeconds.push((performance.now() - startedAtMs) / 1000)
    }
    await flow.handled(records, 240_000)
    const count = await load.end(240_000)
    await member.stop()
    const inputs = await flow.readInputs()
    const { lost, repeats } = await flow.balance()
    const counts = flow.outputs.map(({ key, value }) => ({ key: String(key), value: String(value) }))
    const wrong = findWrongCounts(inputs, counts)
    return { goingOnSeconds, records: count, lost: lost.length, repeated: repeats, wrongCounts: wrong.length }
  } finally {
    await load.cancel()
    await member.kill()
  }
}

function rowOf({ name, goal }: Scenario, runs: readonly Measured[]): Table['rows'][number] {
  const all = runs.flatMap(({ goingOnSeconds }) => goingOnSeconds)
  const sums = (['records', 'lost', 'repeated', 'wrongCounts'] as const).map((what) => runs.map((run) => run[what]))
  return {
    name,
    ...(goal === undefined ? {} : { goal }),
    cells: [
      cell(spreadOf(all), 1),
      cell(spreadOf([Math.max(...all)]), 1),
      ...sums.map((values) => cell(spreadOf(values))),
    ],
  }
}
