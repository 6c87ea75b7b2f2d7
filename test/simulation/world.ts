/**
 * A world made from a seed: topics, records and what each has to come to, settings of the app, and a
 * timetable of what goes wrong. Plain data, so that a world can be printed, and cut down by hand.
 */
import { Random } from '../../src/testing/random.ts'
import type { CrashStep } from '../../src/testing/broker/transactions/crash-step.ts'
import type { TransactionStep } from '../../src/testing/broker/fake-faults.ts'
import type { TransactionFault } from '../../src/streams/transaction-port.ts'
import type { Fate } from './journal.ts'

/** What a handler can do to the thread it is on. */
export const threadEnds = ['exits', 'fills-memory', 'loops'] as const
export type ThreadEnding = (typeof threadEnds)[number]

/** How a record's handler behaves. The handler reads it from the record's value. */
export interface Plan {
  /** 0: the handler is synchronous. */
  readonly costMs: number
  /** Attempts that fail before one goes well. */
  readonly failures: number
  readonly failure: 'throws' | 'asks-for-retry' | 'hangs' | 'ignores-signal' | ThreadEnding
  /** How long a call takes that ignores its signal. */
  readonly ignoresForMs: number
  readonly ending: 'done' | 'skip' | 'dead-letter' | 'terminal-error'
  /** Outputs to the topic, then to the table. */
  readonly records: number
  readonly rows: number
  /** A sink refuses its first output. */
  readonly isRefused: boolean
  /** The value cannot be decoded; the rest of the plan does not matter. */
  readonly isGarbage: boolean
}

export interface WorldRecord {
  readonly atMs: number
  readonly topic: string
  readonly partition: number
  /** null: no key. */
  readonly key: string | null
  readonly plan: Plan
  /** How far its timestamp is from when it is written; missing: not at all. */
  readonly skewMs?: number
}

export type Action =
  /** Starts members until there are so many. */
  | { readonly type: 'scale'; readonly members: number }
  /** These take a member by its number among those running, modulo their count. */
  | { readonly type: 'stop'; readonly member: number }
  | { readonly type: 'kill'; readonly member: number }
  | { readonly type: 'crash'; readonly member: number; readonly step: 'now' | CrashStep }
  | { readonly type: 'freeze'; readonly member: number; readonly durationMs: number }
  /** As a machine that is suspended: for so long that everybody has given it up. */
  | { readonly type: 'stand-still'; readonly member: number; readonly durationMs: number }
  /** Somebody sets the wall clock of its machine. */
  | { readonly type: 'step-wall'; readonly member: number; readonly stepMs: number }
  | { readonly type: 'expel'; readonly member: number }
  /** One of its threads that has no record at a handler, if it has such. */
  | { readonly type: 'end-thread'; readonly member: number; readonly how: 'exited' | 'out-of-memory' }
  | { readonly type: 'rebalance' }
  | { readonly type: 'brokers-away'; readonly durationMs: number }
  | { readonly type: 'producing-unavailable'; readonly durationMs: number }
  | { readonly type: 'acknowledgements-lost'; readonly durationMs: number; readonly share: number }
  | { readonly type: 'sink-unavailable'; readonly durationMs: number }
  | { readonly type: 'registry-away'; readonly durationMs: number }
  | {
      readonly type: 'commits-refused'
      readonly durationMs: number
      readonly answer: 'deferred' | 'failed' | 'fenced' | 'too-large'
    }
  /** Half of the transactions' steps are answered so. */
  | {
      readonly type: 'transactions-refused'
      readonly durationMs: number
      readonly step: TransactionStep
      readonly answer: TransactionFault
    }
  | {
      readonly type: 'transactions-slow'
      readonly durationMs: number
      readonly step: TransactionStep
      readonly byMs: number
    }
  /** Commits that stand and say they may not. */
  | { readonly type: 'commit-answers-lost'; readonly durationMs: number; readonly share: number }
  /** A broker is away in the middle of commits: what they leave in this partition, or in the group, comes later. */
  | { readonly type: 'markers-held'; readonly durationMs: number; readonly place: string }
  | { readonly type: 'markers'; readonly topic: string; readonly partition: number; readonly count: number }
  | { readonly type: 'compact' | 'delete'; readonly topic: string; readonly partition: number }
  | { readonly type: 'add-partition'; readonly topic: string }

export interface World {
  readonly seed: number
  readonly theme: Theme
  readonly guarantee: 'at-least-once' | 'exactly-once'
  readonly strategy: 'cooperative-sticky' | 'eager'
  /** Members keep their partitions over a restart, by their `group.instance.id`. */
  readonly isStatic: boolean
  readonly topics: readonly { readonly name: string; readonly partitions: number; readonly firstOffset: number }[]
  readonly runOn: 'main' | 'threads'
  readonly threads: {
    readonly count: number
    readonly slots: number
    readonly maxBatchRecords: number
    /** How long what is sent to a thread, or from it, takes. */
    readonly crossingMs: readonly [number, number]
  }
  readonly order: 'key' | 'partition' | 'unordered'
  /** What a call of its batch handlers gets at most; null: its handlers get single records. */
  readonly calls: { readonly maxRecords: number; readonly maxBytes: number; readonly maxWaitMs: number } | null
  readonly attempts: number | 'unlimited'
  readonly concurrency: number
  readonly commitIntervalMs: number
  readonly drainTimeoutMs: number
  readonly handlerTimeoutMs: number
  readonly maxRecords: number
  readonly maxPartitionRecords: number
  readonly maxRunRecords: number
  readonly maxMetadataCharacters: number
  readonly maxBatch: number
  readonly latencyMs: readonly [number, number]
  readonly records: readonly WorldRecord[]
  readonly timetable: readonly { readonly atMs: number; readonly action: Action }[]
  /** What its handlers keep for each key, and where; missing: nothing. `ttlMs`: of the state that forgets. `timers`: they set some, by stream time. */
  readonly state?: { readonly store: 'memory' | 'disk'; readonly ttlMs: number; readonly timers?: boolean }
  /** Values name schemas of a registry. Default: they are JSON. */
  readonly schemas?: WorldSchemas
}

export interface WorldSchemas {
  /** Of each record, in their order. */
  readonly ids: readonly number[]
  /** When the registry gets them. */
  readonly appear: readonly { readonly atMs: number; readonly id: number }[]
}

const themes = ['calm', 'rebalances', 'crashes', 'zombies', 'clocks', 'outages', 'commits', 'everything'] as const
export type Theme = (typeof themes)[number]

/** The longest that one record may take with its retries, and still leave a drain time to finish it. */
const CALM_DRAIN_MS = 60_000

export function makeWorld(seed: number): World {
  const random = new Random(seed)
  const theme = random.pick(themes)
  const settings = random.fork('settings')
  const attempts = settings.integer(1, 4)
  const handlerTimeoutMs = settings.pick([300, 1_000])
  const topics = Array.from({ length: settings.chance(0.25) ? 2 : 1 }, (_, at) => ({
    name: `in-${at}`,
    partitions: settings.integer(1, 5),
    firstOffset: settings.pick([0, 0, 0, 2 ** 31 - 20, 2 ** 40]),
  }))
  const durationMs = settings.integer(500, 8_000)
  const onThreads = random.fork('threads')
  const runOn = onThreads.chance(0.4) ? 'threads' : 'main'
  // Only what returns no promise crosses in runs of several records.
  const isSynchronous = runOn === 'threads' && onThreads.chance(0.6)
  return {
    seed,
    theme,
    guarantee: 'at-least-once',
    strategy: settings.chance(0.75) ? 'cooperative-sticky' : 'eager',
    isStatic: random.fork('static').chance(0.15),
    topics,
    runOn,
    threads: {
      count: onThreads.pick([1, 1, 2, 3]),
      slots: onThreads.pick([1, 1, 2, 3]),
      maxBatchRecords: onThreads.pick([1, 3, 20, 128]),
      crossingMs: onThreads.pick([
        [0, 0.1],
        [0, 5],
        [1, 50],
      ]),
    },
    order: settings.pick(['key', 'key', 'key', 'partition', 'unordered']),
    calls: makeCalls(random.fork('calls')),
    attempts,
    concurrency: settings.pick([1, 2, 5, 20, 1000]),
    commitIntervalMs: settings.pick([20, 50, 200, 500]),
    drainTimeoutMs: theme === 'calm' ? CALM_DRAIN_MS : settings.pick([50, 300, 2_000]),
    handlerTimeoutMs,
    maxRecords: settings.pick([1, 5, 20, 100, 1000]),
    maxPartitionRecords: settings.pick([1, 5, 20, 1000]),
    maxRunRecords: settings.pick([1, 5, 50]),
    // Where a map does not fit, what it would have shown as finished is repeated: calm worlds have room for it.
    maxMetadataCharacters: Math.max(settings.pick([4_096, 4_096, 20]), theme === 'calm' ? 4_096 : 0),
    maxBatch: settings.pick([1, 3, 100]),
    latencyMs: settings.pick([
      [0, 1],
      [0.5, 2],
      [5, 40],
    ]),
    records: makeRecords(random.fork('records'), { topics, durationMs, handlerTimeoutMs, theme, runOn, isSynchronous }),
    timetable: makeTimetable(random.fork('timetable'), { theme, topics, durationMs, runOn }),
  }
}

function makeCalls(random: Random): World['calls'] {
  if (!random.chance(0.3)) return null
  return {
    maxRecords: random.pick([1, 2, 5, 20, 100]),
    maxBytes: random.pick([1, 2_500, 1_000_000]),
    maxWaitMs: random.pick([0, 0, 1, 30, 400]),
  }
}

/** What a record has to come to, by its plan and the attempts it has. */
export function fateOf(plan: Plan, attempts: World['attempts']): Fate {
  if (plan.isGarbage || (attempts !== 'unlimited' && plan.failures >= attempts)) return { type: 'dead-letter' }
  if (plan.ending === 'skip') return { type: 'skip' }
  if (plan.ending !== 'done') return { type: 'dead-letter' }
  const count = plan.records + plan.rows
  return plan.isRefused && count > 0 ? { type: 'dead-letter' } : { type: 'outputs', count }
}

interface RecordSettings {
  readonly topics: World['topics']
  readonly durationMs: number
  readonly handlerTimeoutMs: number
  readonly theme: Theme
  readonly runOn: World['runOn']
  /** No handler returns a promise. */
  readonly isSynchronous: boolean
}

/** How attempts fail. A hang would make a drain wait for its time-out; calm worlds have none, so that drains end. */
function failuresIn({ isSynchronous, runOn, theme }: RecordSettings): Plan['failure'][] {
  const calm: Plan['failure'][] = ['throws', 'asks-for-retry']
  if (runOn === 'threads') calm.push('throws', 'exits', 'exits', 'fills-memory')
  if (theme === 'calm') return calm
  const held: Plan['failure'][] = isSynchronous ? [] : ['hangs', 'ignores-signal']
  return [...calm, ...held, ...(runOn === 'threads' ? (['loops'] as const) : [])]
}

function makeRecords(random: Random, settings: RecordSettings): WorldRecord[] {
  const { durationMs, handlerTimeoutMs, isSynchronous, topics } = settings
  const failures = failuresIn(settings)
  const count = random.integer(5, random.pick([20, 60, 200]))
  const keyCount = random.pick([1, 3, 12, 1000])
  const hotShare = random.chance(0.3) ? 0.6 : 0
  const backlogShare = random.pick([0, 0.5, 1])
  const failureShare = random.pick([0, 0.1, 0.5])
  const slowMs = random.pick([0, 5, 50])
  const records = Array.from({ length: count }, (): WorldRecord => {
    const topic = random.pick(topics)
    const keyNumber = random.chance(hotShare) ? 0 : random.integer(0, keyCount - 1)
    const cost = random.chance(0.3) ? 0 : random.integer(0, slowMs)
    return {
      atMs: random.chance(backlogShare) ? 0 : random.integer(0, durationMs),
      topic: topic.name,
      // As a producer does: a key has one partition, in which all its records stand.
      partition: keyNumber % topic.partitions,
      key: random.chance(0.05) ? null : `k${keyNumber}`,
      plan: {
        costMs: isSynchronous ? 0 : random.chance(0.02) ? handlerTimeoutMs * 0.9 : cost,
        failures: random.chance(failureShare) ? random.integer(1, 4) : 0,
        failure: random.pick(failures),
        ignoresForMs: handlerTimeoutMs * random.pick([1.5, 2.5, 6]),
        ending: random.chance(0.85) ? 'done' : random.pick(['skip', 'dead-letter', 'terminal-error']),
        records: random.pick([0, 1, 1, 2]),
        rows: random.pick([0, 0, 1]),
        isRefused: random.chance(0.03),
        isGarbage: random.chance(0.02),
      },
    }
  })
  return records.sort((one, other) => one.atMs - other.atMs)
}

/** Kinds of trouble by theme, and how many of them a world has. */
const troubles: Readonly<Record<Theme, { readonly most: number; readonly types: readonly Action['type'][] }>> = {
  calm: { most: 4, types: ['scale', 'stop', 'rebalance', 'markers'] },
  rebalances: { most: 12, types: ['scale', 'stop', 'rebalance', 'rebalance', 'add-partition', 'markers'] },
  crashes: { most: 6, types: ['crash', 'crash', 'kill', 'scale', 'rebalance', 'markers'] },
  zombies: { most: 6, types: ['freeze', 'expel', 'scale', 'rebalance'] },
  clocks: {
    most: 5,
    types: ['step-wall', 'step-wall', 'stand-still', 'freeze', 'scale', 'rebalance', 'commits-refused'],
  },
  outages: {
    most: 5,
    types: ['brokers-away', 'producing-unavailable', 'sink-unavailable', 'acknowledgements-lost', 'stop'],
  },
  commits: { most: 6, types: ['commits-refused', 'stop', 'rebalance', 'crash', 'compact', 'delete', 'markers'] },
  everything: {
    most: 14,
    types: ['scale', 'stop', 'kill', 'crash', 'freeze', 'expel', 'rebalance', 'brokers-away', 'producing-unavailable']
      .concat(['acknowledgements-lost', 'sink-unavailable', 'commits-refused', 'markers', 'compact', 'delete'])
      .concat(['add-partition', 'stand-still', 'step-wall']) as Action['type'][],
  },
}

function makeTimetable(
  random: Random,
  { theme, topics, durationMs, runOn }: Pick<RecordSettings, 'theme' | 'topics' | 'durationMs' | 'runOn'>,
): World['timetable'] {
  const { most, types: common } = troubles[theme]
  const types: Action['type'][] = runOn === 'threads' ? [...common, 'end-thread', 'end-thread'] : [...common]
  const events = Array.from({ length: random.integer(1, most) }, () => ({
    atMs: random.integer(0, durationMs),
    action: makeAction(random, random.pick(types), topics),
  }))
  const first = { atMs: 0, action: { type: 'scale', members: random.integer(1, 3) } as const }
  return [first, ...events.sort((one, other) => one.atMs - other.atMs)]
}

const transactionSteps = ['connect', 'write', 'positions', 'commit', 'abort'] as const
const transactionFaults: readonly (readonly [TransactionStep, TransactionFault])[] = [
  ['connect', 'unavailable'],
  ['write', 'unavailable'],
  ['write', 'fenced'],
  ['positions', 'stale-generation'],
  ['positions', 'stale-generation'],
  ['positions', 'not-a-member'],
  ['positions', 'fenced'],
  ['commit', 'unknown'],
  ['commit', 'fenced'],
  ['commit', 'unavailable'],
  ['abort', 'unavailable'],
]

export function makeAction(random: Random, type: Action['type'], topics: World['topics']): Action {
  const member = random.integer(0, 5)
  const topic = random.pick(topics)
  const partition = random.integer(0, topic.partitions - 1)
  const durationMs = random.pick([50, 300, 1_500, 4_000])
  switch (type) {
    case 'scale':
      return { type, members: random.integer(1, 4) }
    case 'stop':
    case 'kill':
    case 'expel':
      return { type, member }
    case 'crash':
      return { type, member, step: random.pick(['now', 'written', 'stored', 'committed']) }
    case 'freeze':
      return { type, member, durationMs }
    case 'end-thread':
      return { type, member, how: random.pick(['exited', 'out-of-memory']) }
    case 'stand-still':
      return { type, member, durationMs: 60_000 }
    case 'step-wall':
      return { type, member, stepMs: random.pick([-3_600_000, 3_600_000]) }
    case 'rebalance':
      return { type }
    case 'brokers-away':
    case 'producing-unavailable':
    case 'sink-unavailable':
    case 'registry-away':
      return { type, durationMs }
    case 'transactions-refused': {
      const [step, answer] = random.pick(transactionFaults)
      return { type, durationMs, step, answer }
    }
    case 'transactions-slow':
      return { type, durationMs, step: random.pick(transactionSteps), byMs: random.pick([20, 500, 4_000]) }
    case 'commit-answers-lost':
      return { type, durationMs, share: random.pick([0.2, 1]) }
    case 'markers-held':
      return { type, durationMs, place: random.pick(['group', 'out/0', `${topic.name}/${partition}`]) }
    case 'acknowledgements-lost':
      return { type, durationMs, share: random.pick([0.2, 1]) }
    case 'commits-refused':
      return { type, durationMs, answer: random.pick(['deferred', 'failed', 'fenced', 'too-large']) }
    case 'markers':
      return { type, topic: topic.name, partition, count: random.integer(1, 5) }
    case 'compact':
    case 'delete':
      return { type, topic: topic.name, partition }
    case 'add-partition':
      return { type, topic: topic.name }
  }
}
