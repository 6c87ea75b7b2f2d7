/**
 * Runs a benchmark: `npm run bench -- NAME [--rounds N] [--records N] [--profile] …`; without a name, what there is.
 * Prints a markdown table, and writes the same, round by round, as JSON. `npm run bench -- chart` draws what is there.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { avroCodec } from './avro.ts'
import { batchHandler } from './batch-handler.ts'
import { drawChart } from './chart.ts'
import { clicks } from './clicks.ts'
import { cpu } from './cpu.ts'
import { crossing } from './crossing.ts'
import { BenchKafka } from './harness/bench-kafka.ts'
import type { Benchmark, BenchmarkRun, Settings } from './harness/benchmark.ts'
import { runContender, type Contender } from './harness/contender.ts'
import { describeProfiles } from './harness/profile.ts'
import { markdownOf, writeJson } from './harness/report.ts'
import { alternate, Rounds } from './harness/rounds.ts'
import { describeSurroundings } from './harness/surroundings.ts'
import { inlinePath } from './inline-path.ts'
import { io } from './io.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { offsetTracker } from './offset-tracker.ts'
import { partition } from './partition.ts'
import { passThrough } from './pass-through.ts'
import { replay } from './replay.ts'
import { stateCopy } from './state/copy.ts'
import { stateCount } from './state/count.ts'
import { stateLatency } from './state/latency.ts'
import { stateManyKeys } from './state/many-keys.ts'
import { statePath } from './state/path.ts'
import { stateRecovery } from './state/recovery.ts'
import { stateRestore } from './state/restore.ts'
import { stateThreads } from './state/threads.ts'
import { stores } from './stores.ts'
import { join as streamJoin } from './windows/join.ts'
import { openWindows } from './windows/open-windows.ts'
import { windowsPath } from './windows/path.ts'
import { windowsPrepare } from './windows/prepare.ts'
import { windows } from './windows/windows.ts'
import { yahoo } from './windows/yahoo.ts'
import { zipf } from './zipf.ts'

const benchmarks: readonly Benchmark[] = [
  passThrough,
  cpu,
  crossing,
  io,
  batchHandler,
  partition,
  zipf,
  latency,
  clicks,
  memory,
  inlinePath,
  avroCodec,
  replay,
  stateCount,
  stateCopy,
  stateThreads,
  stateRestore,
  stateManyKeys,
  stateLatency,
  stateRecovery,
  statePath,
  windows,
  streamJoin,
  windowsPrepare,
  openWindows,
  yahoo,
  windowsPath,
  offsetTracker,
  stores,
] as unknown as readonly Benchmark[]

const results = fileURLToPath(new URL('results', import.meta.url))
const startedAtMs = Date.now()
const log = (line: string): void => {
  console.error(`${((Date.now() - startedAtMs) / 1000).toFixed(0).padStart(4)} s  ${line}`)
}

if (process.argv[2] === 'chart') {
  const chart = fileURLToPath(new URL('../docs/benchmarks.svg', import.meta.url))
  writeFileSync(chart, drawChart(process.argv[3] ?? results))
  log(`written: ${chart}`)
  process.exit(0)
}
const chosen = benchmarks.find(({ name }) => name === process.argv[2])
if (chosen === undefined) {
  printList()
  process.exit(process.argv.length > 2 ? 1 : 0)
}
process.exitCode = await runBenchmark(chosen, readFlags(chosen))

function printList(): void {
  console.log(
    'npm run bench -- NAME [--rounds 5] [--minutes 60] [--profile] [--only PART,PART] [--results FOLDER] [--SETTING VALUE …]\n',
  )
  console.log('npm run bench -- chart\n  docs/benchmarks.svg, of the results that are there\n')
  for (const { name, question, goal, defaults } of benchmarks) {
    const flags = Object.entries(defaults).map(([flag, value]) => `--${flag} ${value}`)
    console.log(`${name}\n  ${question}\n  goal: ${goal}\n  ${flags.join(' ')}`)
  }
}

interface Flags {
  readonly rounds: number
  /** After that many no further round begins. */
  readonly minutes: number
  readonly isProfile: boolean
  /** Parts of contenders' names; empty: all. */
  readonly only: readonly string[]
  readonly results: string
  readonly settings: Settings
}

function readFlags({ defaults, rounds = 5 }: Benchmark): Flags {
  const own = Object.fromEntries(Object.keys(defaults).map((flag) => [flag, { type: 'string' as const }]))
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: {
      ...own,
      rounds: { type: 'string', default: String(rounds) },
      minutes: { type: 'string', default: '60' },
      results: { type: 'string', default: results },
      only: { type: 'string', default: '' },
      profile: { type: 'boolean', default: false },
    },
  })
  const settings = Object.entries(defaults).map(([flag, value]) => {
    const given = values[flag as keyof typeof values] as string | undefined
    if (given === undefined || typeof value === 'string') return [flag, given ?? value]
    return [flag, wholeNumber(flag, given, Math.min(value, 1))]
  })
  return {
    rounds: wholeNumber('rounds', values.rounds),
    minutes: wholeNumber('minutes', values.minutes),
    isProfile: values.profile,
    only: values.only === '' ? [] : values.only.split(','),
    results: values.results,
    settings: Object.fromEntries(settings) as Settings,
  }
}

function wholeNumber(flag: string, text: string, least = 1): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < least)
    throw new Error(`--${flag} is a whole number from ${least}, not ${text}`)
  return number
}

async function runBenchmark(benchmark: Benchmark, flags: Flags): Promise<number> {
  const surroundings = describeSurroundings()
  const failures = new Map<string, string>()
  const seen: Record<string, unknown> = {}
  const untilMs = startedAtMs + flags.minutes * 60_000
  // Less if the time was up before.
  let measured = flags.rounds
  let kafka: Promise<BenchKafka> | undefined
  const startKafka = (): Promise<BenchKafka> => (kafka ??= BenchKafka.start(log))
  const run: BenchmarkRun = {
    settings: flags.settings,
    rounds: flags.rounds,
    log,
    kafka: startKafka,
    async alternate(all) {
      const contenders = all.filter(
        ({ name }) => flags.only.length === 0 || flags.only.some((part) => name.includes(part)),
      )
      const needsKafka = contenders.some(({ topic }) => topic !== undefined)
      const broker = needsKafka ? await startKafka() : null
      if (flags.isProfile) return await profile(contenders, broker)
      const rounds = await alternate(contenders, { rounds: flags.rounds, untilMs, kafka: broker, log })
      measured = Math.min(measured, rounds.count)
      for (const { name } of contenders) seen[name] = rounds.of(name)
      for (const [name, error] of rounds.failures) failures.set(name, error)
      return rounds
    },
  }
  try {
    const tables = await benchmark.run(run)
    if (flags.isProfile) return 0
    const broker = kafka === undefined ? [] : [(await kafka).description]
    const versions = Object.entries(surroundings.versions).map(([name, version]) => `${name} ${version}`)
    const settings = Object.entries(flags.settings).map(([name, value]) => `${name} ${value}`)
    console.log(`\n## ${benchmark.name}\n\n${benchmark.question}\nGoal: ${benchmark.goal}\n`)
    for (const table of tables) console.log(`${markdownOf(table)}\n`)
    console.log(`Median (least–greatest) of ${measured} rounds. Settings: ${settings.join(', ')}.`)
    console.log(`Node.js ${surroundings.node}, ${[...broker, ...versions].join(', ')};`)
    console.log(`${surroundings.machine}; load at the start ${surroundings.load}.`)
    const { name, question, goal } = benchmark
    const figures = { settings: flags.settings, rounds: measured, tables, measurements: seen }
    const file = writeJson(flags.results, name, { name, question, goal, ...surroundings, broker, ...figures })
    log(`written: ${file}`)
    return failures.size === 0 ? 0 : 1
  } finally {
    await (await kafka)?.stop()
  }
}

/** Our own contenders once each, under Node's profiler. */
async function profile(contenders: readonly Contender[], kafka: BenchKafka | null): Promise<Rounds> {
  for (const contender of contenders.filter(({ isProfiled }) => isProfiled === true)) {
    const folder = join(results, 'profiles', `${contender.name.replaceAll(/\W+/g, '-')}-${Date.now()}`)
    mkdirSync(folder, { recursive: true })
    log(`profiling ${contender.name} into ${basename(folder)}`)
    const { recordsPerSecond, cpuUs, clockUs } = await runContender(contender, kafka, { profileFolder: folder })
    console.log(
      `\n## ${contender.name}: ${Math.round(recordsPerSecond).toLocaleString('en')} records/s, CPU ${cpuUs.toFixed(2)} µs/record (profiler included)`,
    )
    for (const line of describeProfiles(folder, { clockUs, records: contender.records })) console.log(line)
  }
  return new Rounds(new Map())
}
