/**
 * One record is stuck, a hundred thousand behind it are finished, the process is killed (`kill -9`) while more come in:
 * how many does the next one handle again? The bound is what the guarantee says: 200 ms (the commit interval) × rate,
 * and what was in flight. Without a completion map it would be all of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeCompletionMap } from '../src/streams/positions/completion-map.ts'
import { CopyFlow, keyed } from '../test/integration/copy-flow.ts'
import { MemberProcess } from '../test/integration/member-process.ts'
import type { KafkaProbe } from '../test/support/kafka-probe.ts'
import type { Benchmark } from './harness/benchmark.ts'
import { cell, type Table } from './harness/report.ts'
import { spreadOf } from './harness/rounds.ts'

const FINISHED = 100_000
const COMMIT_INTERVAL_MS = 200
/** A killed member is given up after this long; the time has no part in what is measured. */
const kafka = { sessionTimeoutMs: 6_000, client: { 'heartbeat.interval.ms': 500 } }

interface Scenario {
  readonly name: string
  /** Records a second that come in at the end; null: all are there before. */
  readonly rate: number | null
  /** A second member joins, and the kill comes in the middle of that. */
  readonly rebalances: boolean
}

const scenarios: readonly Scenario[] = [
  { name: 'stable group, 2,000 records/s', rate: 2_000, rebalances: false },
  { name: 'stable group, as fast as it goes', rate: null, rebalances: false },
  { name: 'a member joins, 2,000 records/s', rate: 2_000, rebalances: true },
]

interface Measured {
  readonly again: number
  readonly rate: number
  readonly inFlight: number
  readonly lost: number
  /** How long before the kill the last commit that counts was up to date. */
  readonly commitAgeMs: number
}

const running = new Set<MemberProcess>()

export const replay: Benchmark<Record<string, never>> = {
  name: 'replay',
  question: 'kill -9 behind a stuck record, with 100,000 finished behind it: how many are handled again?',
  goal: '≤ 200 ms × rate, and what was in flight; none lost',
  rounds: 6,
  defaults: {},
  async run({ rounds, kafka, log }) {
    const { probe } = await kafka()
    const folder = mkdtempSync(join(tmpdir(), 'troupe-replay-'))
    const rows: Table['rows'][number][] = []
    try {
      for (const scenario of scenarios) {
        const runs: Measured[] = []
        for (let round = 0; round < rounds; round += 1) {
          const gate = join(folder, `gate-${scenarios.indexOf(scenario)}-${round}`)
          const measured = await measure(scenario, gate, probe)
          runs.push(measured)
          log(`${scenario.name}: ${describe(measured)}`)
        }
        rows.push(rowOf(scenario, runs))
      }
    } finally {
      for (const member of running) await member.kill()
      rmSync(folder, { recursive: true, force: true })
    }
    return [{ title: 'Handled again', columns: ['records', 'bound', 'runs within the bound', 'lost'], rows }]
  },
}

async function measure({ rate, rebalances }: Scenario, gate: string, probe: KafkaProbe): Promise<Measured> {
  const env = { RUN_ON: 'main', GATE_FILE: gate, LOG_LEVEL: 'warn', KAFKA_OPTIONS: JSON.stringify(kafka) }
  const flow = await CopyFlow.make(probe, 'replay', { partitions: 1, env })
  const seen: { atMs: number; count: number }[] = []
  const outputs = async (): Promise<number> => {
    const [count] = await probe.endOffsets(flow.output)
    seen.push({ atMs: performance.now(), count: count! })
    return count!
  }
  const until = async (count: number): Promise<void> => {
    while ((await outputs()) < count) await sleep(5)
  }
  const total = FINISHED + (rate === null ? FINISHED : 5 * rate)
  await flow.put([{ key: 'stuck', value: JSON.stringify({ n: -1, gate: true }) }, ...keyed(FINISHED)])
  if (rate === null) await flow.put(keyed(total - FINISHED, () => ({}), 97, FINISHED))
  const first = await start(flow)
  await until(rate === null ? FINISHED / 2 : FINISHED)
  const putting = rate === null ? Promise.resolve() : putAtRate(flow, rate, FINISHED, total)
  // Somewhere in the middle of what comes in at the end.
  await until(FINISHED + Math.round((0.3 + 0.3 * Math.random()) * (total - FINISHED)))
  if (rebalances) await start(flow)
  const { recordsInFlight } = await first.status()
  await outputs()
  await first.kill()
  running.delete(first)
  const commitAgeMs = ageOf(await countFinished(flow, probe), seen)
  writeFileSync(gate, '')
  if (!rebalances) await start(flow)
  await putting
  await flow.handled(total + 1, 120_000)
  const { repeats, lost } = await flow.balance()
  for (const member of running) {
    await member.stop()
    running.delete(member)
  }
  return { again: repeats, rate: rateAtEnd(seen), inFlight: recordsInFlight, lost: lost.length, commitAgeMs }
}

async function start(flow: CopyFlow): Promise<MemberProcess> {
  const member = await MemberProcess.start(flow.env)
  running.add(member)
  return member
}

async function putAtRate(flow: CopyFlow, rate: number, from: number, to: number): Promise<void> {
  const startedAtMs = performance.now()
  for (let next = from; next < to;) {
    const due = Math.min(to, from + Math.floor((rate * (performance.now() - startedAtMs)) / 1000))
    if (due > next) await flow.put(keyed(due - next, () => ({}), 97, next))
    next = due
    await sleep(10)
  }
}

/** Records that the last commit shows as finished. */
async function countFinished(flow: CopyFlow, probe: KafkaProbe): Promise<number> {
  const [committed] = await probe.committedOffsets(flow.group, flow.input)
  const position = committed?.position ?? 0
  const decoded = decodeCompletionMap(committed?.metadata ?? '', { position })
  return decoded.kind === 'map' ? decoded.map.frontier - decoded.map.unfinishedCount : position
}

function ageOf(finished: number, seen: readonly { readonly atMs: number; readonly count: number }[]): number {
  const last = seen.at(-1)!
  return last.atMs - (seen.find(({ count }) => count > finished) ?? last).atMs
}

/** Outputs a second in the half second before the kill: on a busy machine nothing comes in evenly. */
function rateAtEnd(seen: readonly { readonly atMs: number; readonly count: number }[]): number {
  const last = seen.at(-1)!
  const before = seen.findLast(({ atMs }) => atMs <= last.atMs - 500) ?? seen[0]!
  return (1000 * (last.count - before.count)) / (last.atMs - before.atMs)
}

function boundOf({ rate, inFlight }: Measured): number {
  return Math.round((COMMIT_INTERVAL_MS / 1000) * rate + inFlight)
}

function describe(measured: Measured): string {
  const { again, rate, inFlight, lost } = measured
  const bound = `${boundOf(measured)} = ${COMMIT_INTERVAL_MS} ms × ${Math.round(rate)}/s + ${inFlight} in flight`
  return `${again} again (bound ${bound}), ${lost} lost, last commit ${Math.round(measured.commitAgeMs)} ms old`
}

function rowOf({ name }: Scenario, runs: readonly Measured[]): Table['rows'][number] {
  const within = runs.filter((run) => run.again <= boundOf(run)).length
  const columns = [runs.map(({ again }) => again), runs.map(boundOf), [within], runs.map(({ lost }) => lost)]
  return { name, cells: columns.map((values) => cell(spreadOf(values))) }
}
