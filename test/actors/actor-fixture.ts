/** A partition actor with everything around it held by hand: clock, sinks, commits. */
import { plainKey } from '../../src/actors/key-text.ts'
import type { KeyBudget } from '../../src/actors/lanes/key-brake.ts'
import type { InputProgress } from '../../src/actors/input-progress.ts'
import { PartitionActor } from '../../src/actors/partition-actor.ts'
import type { Verdict } from '../../src/actors/handlers/verdict.ts'
import type { LaneRun } from '../../src/actors/lanes/lanes.ts'
import { silentLog } from '../../src/log.ts'
import type { ResolvedActor } from '../../src/options/options.ts'
import type { WriteResult } from '../../src/streams/broker-port.ts'
import type { CompletionMap } from '../../src/streams/positions/completion-map.ts'
import { Credit } from '../../src/streams/credit.ts'
import type { ActorDelivery, HandledTicket } from '../../src/streams/delivery/delivery.ts'
import type { Ticket } from '../../src/streams/delivery/sink-queue.ts'
import type { EncodedEffect } from '../../src/streams/flows/effect-encoder.ts'
import type { RecordTimes } from '../../src/state/stamp.ts'
import type { PartitionState } from '../../src/state/partition-state.ts'
import type { SchemaPort } from '../../src/streams/registry/schema-port.ts'
import type { OutputRecord, SourceRecord } from '../../src/streams/record.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

export interface HeldOutput {
  readonly id: string
  readonly effect: EncodedEffect
  settle: (result: WriteResult) => void
}

export interface HeldDeadLetter {
  readonly id: string
  readonly record: OutputRecord
  settle: (result: WriteResult) => void
}

/** Sinks that write nothing until the test says so. */
class HeldDelivery implements ActorDelivery {
  readonly finishesWhen = 'durable'
  readonly outputs: HeldOutput[] = []
  readonly deadLetters: HeldDeadLetter[] = []
  progressCount = 0

  deliver(ticket: HandledTicket, effects: readonly EncodedEffect[]): null {
    const { id } = ticket
    for (const effect of effects) this.outputs.push({ id, effect, settle: (result) => ticket.settle(result) })
    return null
  }

  deadLetter(ticket: Ticket, id: string, record: OutputRecord): void {
    this.deadLetters.push({ id, record, settle: (result) => ticket.settle(result) })
  }

  noteProgress(): void {
    this.progressCount += 1
  }

  makeDurable(): void {
    for (const output of this.outputs.splice(0)) output.settle(null)
  }
}

export const resolvedActor: ResolvedActor = {
  name: 'enrich',
  handler: new URL('file:///enrich.js'),
  runOn: 'threads',
  order: 'key',
  concurrency: 100,
  retry: { attempts: 3, backoffMs: 100, maxBackoffMs: 1_000, jitter: 0 },
  rate: { perSecond: null, burst: null },
  deadLetter: 'dlq',
  failedRecords: 'dead-letter',
  handlerTimeoutMs: 1_000,
  startFrom: 'earliest',
  outOfRange: 'fail',
  idHeader: false,
}

export function sourceRecord(offset: number, key: string | null = 'k'): SourceRecord {
  return {
    topic: 'clicks',
    partition: 0,
    offset,
    timestamp: 1_000,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(`value ${offset}`),
    headers: [['trace', Buffer.from('t')]],
  }
}

export const oneOutput: Extract<Verdict, { type: 'done' }> = {
  type: 'done',
  effects: [{ type: 'record', record: { topic: 'out', key: null, value: Buffer.from('v') } }],
}

export const failure: Verdict = {
  type: 'failed',
  error: { name: 'Error', message: 'boom', code: 'E_BOOM', kind: 'other' },
}

export interface LogLine {
  readonly level: string
  readonly fields: object
  readonly message: string
}

function noteLine(lines: LogLine[], level: string): (fields: object, message: string) => void {
  return (fields, message) => lines.push({ level, fields, message })
}

/** The input of an actor that has one. */
export function inputOf({ inputs }: PartitionActor): InputProgress {
  return inputs[0]!
}

export function makeActor(
  options: {
    actor?: Partial<ResolvedActor>
    position?: number | null
    map?: CompletionMap
    delivery?: ActorDelivery
    keyBudget?: KeyBudget
    /** Unless given: on main. */
    mixesKeys?: boolean
    schemas?: SchemaPort
    state?: PartitionState
    times?: RecordTimes | null
    idleAfterMs?: number | null
    logEnd?: () => Promise<number>
    /** What several actors of one process share. */
    partition?: number
    credit?: Credit
    stats?: EngineStats
    onLoadChanged?: (actor: PartitionActor) => void
    clock?: ManualClock
    onReady?: (actor: PartitionActor) => void
  } = {},
) {
  const { clock = new ManualClock() } = options
  const delivery = new HeldDelivery()
  const {
    credit = new Credit({ maxRecords: 100, maxBytes: 1_000_000 }),
    partition = 0,
    stats = new EngineStats(clock),
  } = options
  const ready: number[] = []
  const escalations: Error[] = []
  const throttles: { forMs: number; id: string }[] = []
  const lines: LogLine[] = []
  const resolved = { ...resolvedActor, ...options.actor }
  const actor: PartitionActor = new PartitionActor({
    actor: resolved,
    partition,
    epoch: 1,
    inputs: [
      {
        topic: 'clicks',
        start: { position: options.position === undefined ? 0 : options.position, map: options.map ?? null },
        stats: stats.partition('enrich', 'clicks', partition),
      },
    ],
    delivery: options.delivery ?? delivery,
    state: options.state ?? null,
    times: options.times ?? null,
    idleAfterMs: options.idleAfterMs ?? null,
    ...(options.logEnd === undefined ? {} : { logEnd: options.logEnd }),
    credit,
    clock,
    random: () => 0,
    log: {
      ...silentLog,
      info: noteLine(lines, 'info'),
      warn: noteLine(lines, 'warn'),
      error: noteLine(lines, 'error'),
    },
    actorStats: stats.actor('enrich'),
    mixesKeys: options.mixesKeys ?? resolved.runOn === 'main',
    onReady: () => {
      ready.push(clock.now())
      options.onReady?.(actor)
    },
    keyText: plainKey,
    schemas: options.schemas ?? null,
    keyBudget: options.keyBudget ?? { maxRecords: 50, maxBytes: 500_000 },
    onLoadChanged: () => options.onLoadChanged?.(actor),
    onThrottled: (forMs, id) => throttles.push({ forMs, id }),
    onEscalate: (error) => escalations.push(error),
  })
  const take = (maxRecords = 10): LaneRun => {
    const run = actor.takeRun(maxRecords)
    if (run === null) throw new Error('nothing is ready')
    return run
  }
  return { actor, clock, delivery, credit, stats, ready, take, escalations, throttles, lines }
}
