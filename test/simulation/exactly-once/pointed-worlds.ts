/**
 * Worlds that lead to one place: a few records for a few seconds, and one kind of trouble, again and again. Any world may get
 * there; these do within some seeds.
 */
import { Random } from '../../../src/testing/random.ts'
import type { Action, Plan, World, WorldRecord } from '../world.ts'

export interface Pointed extends Partial<World> {
  /** Of its handlers. */
  readonly plan?: Partial<Plan>
  /** What goes wrong from the start of each round on. */
  readonly round: (random: Random) => readonly (readonly [afterMs: number, action: Action])[]
}

const ROUNDS = 3
const ROUND_MS = 4_000
const RECORDS = 60
const KEYS = 6
const topic = { name: 'in-0', partitions: 2, firstOffset: 0 }

const base: Omit<World, 'seed' | 'records' | 'timetable'> = {
  theme: 'everything',
  guarantee: 'exactly-once',
  strategy: 'cooperative-sticky',
  isStatic: false,
  topics: [topic],
  runOn: 'main',
  threads: { count: 1, slots: 2, maxBatchRecords: 20, crossingMs: [0, 5] },
  order: 'key',
  calls: null,
  attempts: 1,
  concurrency: 20,
  commitIntervalMs: 50,
  drainTimeoutMs: 300,
  handlerTimeoutMs: 1_000,
  maxRecords: 100,
  maxPartitionRecords: 20,
  maxRunRecords: 50,
  maxMetadataCharacters: 4_096,
  maxBatch: 100,
  latencyMs: [0.5, 2],
  state: { store: 'memory', ttlMs: 10_000 },
}

const plain: Plan = {
  costMs: 0,
  failures: 0,
  failure: 'throws',
  ignoresForMs: 0,
  ending: 'done',
  records: 1,
  rows: 0,
  isRefused: false,
  isGarbage: false,
}

export function pointedWorld(seed: number, { plan = {}, round, ...more }: Pointed): World {
  const random = new Random(seed).fork('pointed')
  const records = Array.from({ length: RECORDS }, (): WorldRecord => {
    const key = random.integer(0, KEYS - 1)
    const atMs = random.integer(0, ROUNDS * ROUND_MS)
    return { atMs, topic: topic.name, partition: key % topic.partitions, key: `k${key}`, plan: { ...plain, ...plan } }
  })
  const timetable = Array.from({ length: ROUNDS }, (_, at) =>
    round(random).map(([afterMs, action]) => ({ atMs: at * ROUND_MS + afterMs, action })),
  )
  const byTime = (one: { readonly atMs: number }, other: { readonly atMs: number }): number => one.atMs - other.atMs
  return { ...base, ...more, seed, records: records.sort(byTime), timetable: timetable.flat().sort(byTime) }
}
