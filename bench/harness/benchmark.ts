/** What a benchmark is: one question, and how it is answered. `bench/run.ts` has the list. */
import type { BenchKafka } from './bench-kafka.ts'
import type { Contender } from './contender.ts'
import type { Table } from './report.ts'
import type { Rounds } from './rounds.ts'

export type SettingValue = number | string
export type Settings = Readonly<Record<string, SettingValue>>

export interface Benchmark<Its extends Settings = Settings> {
  readonly name: string
  readonly question: string
  /** What this project wants to reach, as it is printed. */
  readonly goal: string
  /** Each is a flag as well: `--records 100000`. Names are written as one word. */
  readonly defaults: Its
  /** How often each contender runs; 5 unless given. */
  readonly rounds?: number
  readonly run: (run: BenchmarkRun<Its>) => Promise<readonly Table[]>
}

export interface BenchmarkRun<Its extends Settings = Settings> {
  readonly settings: Its
  /** That count, beside one more at the beginning that is thrown away. */
  readonly rounds: number
  readonly log: (line: string) => void
  /** One real broker, started at the first call. */
  readonly kafka: () => Promise<BenchKafka>
  /** Lets the contenders take turns. Under `--profile` only those that allow it run, once. */
  readonly alternate: (contenders: readonly Contender[]) => Promise<Rounds>
}
