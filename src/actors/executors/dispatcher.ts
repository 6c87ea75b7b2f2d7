/**
 * Takes what is ready from all partition actors, round-robin, whenever there is a free slot:
 * natural batching. While idle a record goes alone and at once; while busy, what has piled up goes
 * in one crossing. One dispatcher per executor.
 */
import type { Allowance, HeldBack, ThrottleStatus } from './allowance.ts'
import type { DispatchedRun, Executor, Settle } from './executor.ts'
import { isNoAttempt, type Verdict } from '../handlers/verdict.ts'
import type { ResolvedActor } from '../../options/options.ts'
import type { Clock } from '../../clock.ts'
import type { PartitionActor } from '../partition-actor.ts'
import { CallLine } from './call-line.ts'

export class Dispatcher {
  readonly #executor: Executor
  /** By the names of actors. */
  readonly #allowances = new Map<string, Allowance>()
  /** Those of them that have a say now: others are not asked, and cost nothing. */
  readonly #limited = new Map<string, Allowance>()
  /** Actors that may have something ready. The first in line is served next. */
  #line: PartitionActor[] = []
  readonly #inLine = new Set<PartitionActor>()
  /** Actors whose handlers get many records at once, in calls of their own. */
  readonly #calls: CallLine
  /** A call was taken last, so it is the others' turn. */
  #hadCall = false
  /** Some records have gone to a handler. */
  onHandedOut: () => void = () => undefined
  #isPumping = false
  #isAskedAgain = false

  /** An actor without an allowance has no limit but its executor's. */
  constructor(executor: Executor, clock: Clock, allowances: readonly Allowance[] = []) {
    this.#executor = executor
    for (const allowance of allowances) {
      this.#allowances.set(allowance.actor, allowance)
      if (allowance.isLimited) this.#limited.set(allowance.actor, allowance)
      allowance.onMore = () => {
        if (!allowance.isLimited) this.#limited.delete(allowance.actor)
        this.pump()
      }
    }
    this.#calls = new CallLine(executor, clock, this.#limited)
    this.#calls.onDue = () => {
      this.pump()
    }
    executor.onRoom = () => {
      this.pump()
    }
    executor.onThrottle = (actor, forMs, id) => {
      this.throttle(actor, forMs, id)
    }
  }

  /** The executor takes nothing more now. */
  get isFull(): boolean {
    return this.#executor.freeSlots === 0
  }

  get mixesKeys(): boolean {
    return this.#executor.mixesKeys
  }

  /** More records would only wait. */
  get isSated(): boolean {
    let records = 0
    let lanes = 0
    for (const actors of [this.#line, this.#calls.owners]) {
      for (const actor of actors) {
        records += actor.readyRecordCount
        lanes += actor.readyLaneCount
      }
    }
    return this.#executor.hasEnough(records, lanes)
  }

  /** Nothing more of this actor may be in progress now. */
  isAtLimitOf(actor: ResolvedActor): boolean {
    return this.#executor.roomOf(actor) <= 0 || this.#calls.lacksRoom(actor.name)
  }

  /** The service that this actor calls says "slow down" at record `id`: nothing more of it is handed out for so long. */
  throttle(actor: string, forMs: number, id: string): void {
    const allowance = this.#allowances.get(actor)
    if (allowance === undefined) return
    allowance.throttle(forMs, id)
    if (allowance.isLimited) this.#limited.set(actor, allowance)
  }

  /** Why nothing of this actor is handed out now, whatever its executor could take; null: there is no such reason. */
  heldBack({ name }: ResolvedActor): HeldBack | null {
    return this.#limited.get(name)?.heldBack ?? null
  }

  /** Clock time when this actor was held back last; null: it never was. */
  heldBackAtMs({ name }: ResolvedActor): number | null {
    return this.#allowances.get(name)?.heldBackAtMs ?? null
  }

  throttleOf({ name }: ResolvedActor): ThrottleStatus | null {
    return this.#limited.get(name)?.throttleStatus ?? null
  }

  /** Waits for nothing any more. */
  close(): void {
    this.#calls.close()
    for (const allowance of this.#allowances.values()) allowance.close()
  }

  /** Some records of this actor became ready. */
  enlist(actor: PartitionActor): void {
    if (this.#inLine.has(actor) || actor.readyRecordCount === 0) return
    const callLimits = this.#executor.callLimitsOf(actor.actor)
    if (callLimits !== null) {
      this.#calls.enlist(actor, callLimits)
      return
    }
    this.#inLine.add(actor)
    this.#line.push(actor)
  }

  /** Hands out batches while there are free slots and ready records. */
  pump(): void {
    // An inline handler settles within `execute`, which makes the next record of its lane ready and
    // asks for a pump again: from in here that would recurse once per record.
    if (this.#isPumping) {
      this.#isAskedAgain = true
      return
    }
    this.#isPumping = true
    try {
      do {
        while (this.#executor.freeSlots > 0) {
          const batch = this.#takeNext()
          if (batch.length === 0) break
          this.#executor.execute(batch, this.#settle)
        }
      } while (this.#wasAskedAgain())
    } finally {
      this.#isPumping = false
    }
    this.onHandedOut()
  }

  #wasAskedAgain(): boolean {
    const wasAsked = this.#isAskedAgain
    this.#isAskedAgain = false
    return wasAsked
  }

  readonly #settle: Settle = (run, verdicts, nowMs) => {
    if (this.#limited.size > 0) {
      // What never ran was no attempt: the rate gets it back, before it may be handed out again.
      this.#limited.get(run.actor.actor.name)?.giveBack(run.invocations.length - attemptsIn(verdicts))
    }
    run.actor.settle(run, verdicts, nowMs)
  }

  /** A call of a batch handler or a batch of single records, in turn where there are both. */
  #takeNext(): DispatchedRun[] {
    if (this.#hadCall) {
      this.#hadCall = false
      const batch = this.#takeBatch()
      if (batch.length > 0) return batch
    }
    const call = this.#calls.take()
    this.#hadCall = call.length > 0
    return this.#hadCall ? call : this.#takeBatch()
  }

  #takeBatch(): DispatchedRun[] {
    const batch: DispatchedRun[] = []
    const maxRecords = this.#batchSize()
    const { maxBatchBytes } = this.#executor
    let records = 0
    let bytes = 0
    /** How many actors in a row had nothing to give for want of room: after all of them the batch is what it is. */
    let withoutRoom = 0
    /** By actor, of those that have a limit: the executor does not know of them yet. */
    const taken = new Map<string, number>()
    while (withoutRoom < this.#line.length && records < maxRecords && bytes < maxBatchBytes) {
      const actor = this.#line[0]!
      const { name } = actor.actor
      let room = this.#executor.roomOf(actor.actor)
      const allowance = this.#limited.size === 0 ? undefined : this.#limited.get(name)
      if (room !== Number.POSITIVE_INFINITY || allowance !== undefined) {
        room -= taken.get(name) ?? 0
        if (allowance !== undefined && room > 0) room = Math.min(room, allowance.room)
        if (room <= 0) {
          const before = this.#line.length
          this.#nextInLine()
          // One that has nothing ready any more has left the line: the others have not all been asked.
          if (this.#line.length === before) withoutRoom += 1
          continue
        }
      }
      withoutRoom = 0
      // A suspect goes alone: as the only record of its batch it can be told from its mates.
      if (actor.firstRunsAlone && batch.length > 0) break
      const isAlone = actor.firstRunsAlone
      const maxRunRecords = Math.min(maxRecords - records, room, this.#executor.maxRunRecords(actor.actor))
      const run = actor.takeRun(maxRunRecords, maxBatchBytes - bytes)
      if (run === null) {
        this.#leaveLine()
        continue
      }
      batch.push({ actor, lane: run.lane, invocations: run.invocations })
      records += run.invocations.length
      if (room !== Number.POSITIVE_INFINITY) taken.set(name, (taken.get(name) ?? 0) + run.invocations.length)
      allowance?.take(run.invocations.length)
      for (const invocation of run.invocations) bytes += invocation.bytes
      this.#nextInLine()
      if (isAlone) break
    }
    return batch
  }

  /**
   * What is ready is shared out among the free slots, so that a burst does not end up at one thread
   * while the others are idle.
   */
  #batchSize(): number {
    const { freeSlots, maxBatchRecords } = this.#executor
    let ready = 0
    for (const actor of this.#line) ready += actor.readyRecordCount
    return Math.max(1, Math.min(maxBatchRecords, Math.ceil(ready / freeSlots)))
  }

  #nextInLine(): void {
    const actor = this.#line.shift()!
    if (actor.readyRecordCount > 0) this.#line.push(actor)
    else this.#inLine.delete(actor)
  }

  #leaveLine(): void {
    const actor = this.#line.shift()
    if (actor !== undefined) this.#inLine.delete(actor)
  }
}

/** Verdicts on attempts. */
function attemptsIn(verdicts: readonly Verdict[]): number {
  let attempts = 0
  for (const verdict of verdicts) if (!isNoAttempt(verdict)) attempts += 1
  return attempts
}
