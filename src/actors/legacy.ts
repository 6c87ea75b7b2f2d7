/**
 * What an epoch that begins again in memory takes over from the one before: what that one still held, and what it knew of the
 * rest. All else that it had read is finished, or does not exist: the next maps have to say so, or the next owner would
 * handle it again.
 */
import type { PartitionState } from '../state/partition-state.ts'
import type { SourceRecord } from '../streams/record.ts'
import type { Refusals } from '../streams/delivery/delivery.ts'
import type { HaltedRecord } from './actor-load.ts'
import type { InputProgress } from './input-progress.ts'
import type { PartitionActor } from './partition-actor.ts'

export interface Legacy {
  /** null: it ran. Halted, it had dropped what was not started, so nobody can go on with that but the next owner. */
  readonly halt: HaltedRecord | null
  /** Oldest first. */
  readonly records: readonly SourceRecord[]
  /** What they take of the intake's budget. */
  readonly bytes: number
  /** Nothing below this is still to come; null: nothing was read, and nothing known. */
  readonly readTo: number | null
  /** Where the log ended when it was last told; 0: it was not. */
  readonly endMet: number
  readonly state: PartitionState | null
  /** What it gave up of them: not yet on record, and forgotten it would be handled again. */
  readonly refusals: Refusals
}

export function legacyOf({ halt, refusals, state }: PartitionActor, input: InputProgress): Legacy {
  const { endMet, held, tracker } = input
  const records = held.records()
  const ids = refusals === null ? new Set<string>() : held.ids()
  const open = new Map([...(refusals ?? [])].filter(([id]) => ids.has(id)))
  return { halt, records, bytes: held.bytes, readTo: tracker.frontier, endMet, state, refusals: open }
}

/** `actor` has begun at the last checkpoint, and has read nothing itself. */
export function inherit(actor: PartitionActor, input: InputProgress, legacy: Legacy): void {
  const { endMet, halt, readTo, records } = legacy
  if (halt !== null) {
    actor.haltOn(halt)
    return
  }
  let run: SourceRecord[] = []
  for (const record of records) {
    const before = run.at(-1)
    if (before === undefined || record.offset > before.offset + 1) {
      actor.admit(run)
      pass(actor, input, record.offset, legacy)
      run = []
    }
    run.push(record)
  }
  actor.admit(run)
  if (readTo !== null) pass(actor, input, readTo, legacy)
  const { topic } = input
  // Told once only.
  if (endMet > 0) actor.noteEnd({ topic, position: endMet })
}

function pass(actor: PartitionActor, { tracker }: InputProgress, position: number, legacy: Legacy): void {
  if (!tracker.passTo(position)) return
  const time = legacy.state?.timeAt(position) ?? null
  if (time !== null) actor.notePassed(position, time)
}
