/** Contenders take turns, so that whatever the machine does to one of them it does to the others. */
import type { BenchKafka } from './bench-kafka.ts'
import { runContender, type Contender, type Measurement } from './contender.ts'

/** A figure of each round; one that could not be had is missing. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly values: readonly number[]
}

export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = [...values].filter(Number.isFinite).sort((a, b) => a - b)
  if (sorted.length === 0) return null
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)!, values }
}

/** What each contender did in each round. */
export class Rounds {
  readonly #measured: ReadonlyMap<string, readonly (Measurement | null)[]>
  /** Contenders that failed in some round, with the last reason. */
  readonly failures: ReadonlyMap<string, string>

  constructor(
    measured: ReadonlyMap<string, readonly (Measurement | null)[]>,
    failures: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#measured = measured
    this.failures = failures
  }

  of(name: string): readonly (Measurement | null)[] {
    return this.#measured.get(name) ?? []
  }

  spread(name: string, figure: (measurement: Measurement) => number | null | undefined): Spread | null {
    return spreadOf(this.of(name).map((each) => (each === null ? NaN : (figure(each) ?? NaN))))
  }

  /** One contender's figure by others' of the same round: what the machine did in that round cancels out. */
  paired(
    names: readonly string[],
    figure: (...measurements: readonly Measurement[]) => number | null | undefined,
  ): Spread | null {
    const rounds = this.of(names[0]!).map((_, round) => names.map((name) => this.of(name)[round] ?? null))
    return spreadOf(
      rounds.map((each) => (each.some((one) => one === null) ? NaN : (figure(...(each as Measurement[])) ?? NaN))),
    )
  }

  /** Rounds in which at least one of them was measured. */
  get count(): number {
    const rounds = [...this.#measured.values()]
    return Math.max(0, ...rounds.map((each) => each.findLastIndex((one) => one !== null) + 1))
  }

  /** How many times as many records a second as the other. */
  ratio(name: string, base: string): Spread | null {
    return this.paired([name, base], (own, other) => own.recordsPerSecond / other.recordsPerSecond)
  }
}

/** A contender that has failed that often has no further rounds. */
const maxFailures = 2

/**
 * A short round is thrown away first: it warms up the broker and the page cache. No further round begins after
 * `untilMs`, a time as of `Date.now()`.
 */
export async function alternate(
  contenders: readonly Contender[],
  options: { rounds: number; untilMs: number; kafka: BenchKafka | null; log: (line: string) => void },
): Promise<Rounds> {
  const { rounds, untilMs, kafka, log } = options
  const measured = new Map<string, (Measurement | null)[]>(
    contenders.map(({ name }) => [name, new Array<Measurement | null>(rounds).fill(null)]),
  )
  const failures = new Map<string, string>()
  const failed = new Map<string, number>()
  for (let round = -1; round < rounds; round += 1) {
    if (round > 0 && Date.now() > untilMs) {
      log(`the time is up after ${round} rounds`)
      break
    }
    const first = (round + 1) % contenders.length
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      if ((failed.get(contender.name) ?? 0) >= maxFailures) continue
      const label = round < 0 ? 'warm-up' : `round ${round + 1}`
      try {
        const result = await runContender(contender, kafka, { warmUpOnly: round < 0 })
        if (round >= 0) measured.get(contender.name)![round] = result
        log(`${label}: ${contender.name}: ${describe(result)}`)
      } catch (error) {
        failures.set(contender.name, `${label}: ${(error as Error).message}`)
        failed.set(contender.name, (failed.get(contender.name) ?? 0) + 1)
        log(`${label}: FAILED: ${(error as Error).message}`)
      }
    }
  }
  return new Rounds(measured, failures)
}

function describe({ recordsPerSecond, cpuUs, brokerCpuUs, loopDelayP99Ms, seconds }: Measurement): string {
  const broker = brokerCpuUs === null ? '' : `, broker ${brokerCpuUs.toFixed(1)} µs`
  const rate = Math.round(recordsPerSecond).toLocaleString('en')
  const delay = loopDelayP99Ms === null ? '' : `, loop delay p99 ${loopDelayP99Ms.toFixed(0)} ms`
  return `${rate}/s, CPU ${cpuUs.toFixed(1)} µs${broker}${delay} (${seconds.toFixed(1)} s)`
}
