/** Which record the safe position of a partition waits for, since when, at which attempt and why. Found on demand. */
import type { Invocation } from '../../actors/invocation.ts'
import type { InputProgress } from '../../actors/input-progress.ts'
import type { PartitionActor } from '../../actors/partition-actor.ts'
import { describeFault } from '../../actors/triage.ts'
import type { ErrorCode } from '../../errors.ts'

export interface BlockingRecord {
  /** `topic/partition/offset`. */
  readonly id: string
  readonly offset: number
  /** `dropped`: not started before the actor stopped or drained, and left to the next owner. */
  readonly stage: Invocation['stage'] | 'dropped'
  readonly attempt: number
  /** Of its last failure (docs/errors.md); null: no attempt has failed. */
  readonly code: ErrorCode | null
  /** How long ago it was read; for `halted`: how long ago the actor stopped. null: it was dropped. */
  readonly forMs: number | null
  /** For people: what it waits for. */
  readonly why: string
}

export interface SinkTrouble {
  readonly sink: string
  readonly sinceMs: number
  readonly reason: string
}

/** What the position of one input waits for; null: nothing is unfinished. */
export function findBlockingRecord(
  actor: PartitionActor,
  { held, partition, topic, tracker }: InputProgress,
  nowMs: number,
  troubles: readonly SinkTrouble[],
): BlockingRecord | null {
  const oldest = tracker.oldestUnfinished
  if (oldest === null) return null
  const { offset } = oldest
  const id = `${topic}/${partition}/${offset}`
  const { halt } = actor
  const oldestHeld = held.oldestUnfinished
  if (halt?.id === id) {
    const { attempt, code, reason, sinceMs } = halt
    return { id, offset, stage: 'halted', attempt, code, forMs: Math.round(nowMs - sinceMs), why: reason }
  }
  if (oldestHeld?.sequence !== oldest.sequence) {
    const why = 'the actor goes no further; the next owner of the partition reads the record again'
    return { id, offset, stage: 'dropped', attempt: 1, code: null, forMs: null, why }
  }
  const { admittedAtMs, attempt, failure, stage } = oldestHeld
  const [code, forMs] = [failure?.code ?? null, Math.round(nowMs - admittedAtMs)]
  return { id, offset, stage, attempt, code, forMs, why: whyOf(oldestHeld, actor, nowMs, troubles) }
}

function whyOf(held: Invocation, actor: PartitionActor, nowMs: number, troubles: readonly SinkTrouble[]): string {
  switch (held.stage) {
    case 'queued':
      return `it waits for its turn at the handler${lastError(held)}`
    case 'at-handler':
      return `it is at the handler${lastError(held)}`
    case 'waiting': {
      const seconds = (Math.max(0, held.nextAttemptAtMs - nowMs) / 1000).toFixed(1)
      return `attempt ${held.attempt} begins in ${seconds} s${lastError(held)}`
    }
    case 'waits-for-schema':
      return whySchema(held.neededSchema, actor.schemaTrouble)
    case 'in-line':
      return 'it is done, and waits for those before it'
    case 'parked':
      return `it is parked until an operator decides${lastError(held)}`
    case 'at-sinks':
      return whySinks(sinksOf(held), troubles)
    case 'at-checkpoint':
      return 'it is handled, and waits for its checkpoint'
    case 'at-dead-letters':
      return whySinks(['dead-letters'], troubles)
    case 'halted':
      return actor.halt?.reason ?? 'the actor stopped on it'
  }
}

function whySchema(id: number, trouble: string | null): string {
  const asked = trouble === null ? 'the schema registry is asked for it' : trouble
  return `it waits for schema ${id}: ${asked}`
}

function sinksOf({ outputs }: Invocation): readonly string[] {
  return [...new Set(outputs.map((effect) => (effect.type === 'record' ? 'kafka' : effect.sink)))]
}

/** Which output of several is late is not known; a sink that is away is the likely one. */
function whySinks(sinks: readonly string[], troubles: readonly SinkTrouble[]): string {
  const away = troubles.filter(({ sink }) => sinks.includes(sink))
  if (away.length === 0) return `its outputs are being written to ${sinks.join(' and ')}`
  return away.map(({ reason, sink }) => `sink ${sink} is unavailable: ${reason}`).join('; ')
}

function lastError({ attempt, failure }: Invocation): string {
  return failure === null ? '' : `; ${attempt > 1 ? 'the last attempt' : 'it'} failed: ${describeFault(failure)}`
}
