/**
 * Runs batches on a thread. A batch is answered when all its records have begun: with the outcomes
 * that are there. What waits for something by then is told later, at the end of the turn of the
 * event loop in which it settles, together with whatever else settled in that turn. So a slow record
 * holds neither its batch mates nor the slot.
 */
import { sleep, type Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import { TurnWatch } from '../executors/turn-watch.ts'
import { BatchGate } from './batch-gate.ts'
import type { BusyMeter } from './busy-meter.ts'
import { BatchRunner } from '../handlers/batch-runner.ts'
import type { UserRunner } from '../handlers/open-runner.ts'
import { BatchNotes, type SharedBoard } from './protocol/progress-board.ts'
import { runCall } from './thread-call.ts'
import { runLane } from './thread-lane.ts'
import {
  packOutcomes,
  packReply,
  unpackBatch,
  type BatchMessage,
  type LateVerdicts,
  type OutcomesNotice,
  type PackedRecord,
  type PackedRun,
  type PackedVerdicts,
  type ReplyMessage,
} from './protocol/thread-protocol.ts'

/** A handler as a batch finds it. */
export interface OpenHandler {
  readonly runner: UserRunner
  /** Records that it may have in progress at once. */
  readonly concurrency: number
}

export interface ThreadBatchesOptions {
  readonly board: SharedBoard
  /** The handlers by their actors' names. */
  readonly handlers: ReadonlyMap<string, OpenHandler>
  readonly send: (notice: OutcomesNotice) => void
  readonly clock: Clock
  readonly busy: BusyMeter
}

const unrun: PackedVerdicts = { verdicts: [], elapsedMs: 0, promise: null }

export class ThreadBatches {
  readonly #options: ThreadBatchesOptions
  readonly #gate = new BatchGate()
  /** Records whose promise is not settled, by actor. */
  readonly #waiting = new Map<string, number>()
  /** Actors of which a record was still waiting when its batch was answered. */
  readonly #slow = new Set<string>()
  readonly #turns: TurnWatch
  #late: LateVerdicts[] = []

  constructor(options: ThreadBatchesOptions) {
    this.#options = options
    this.#turns = new TurnWatch(options.clock)
  }

  /** Resolves when every record has begun. Rejects only for what is no handler's fault. */
  async run(message: BatchMessage): Promise<ReplyMessage> {
    const room = this.#gate.enter(message.isAlone)
    if (room !== undefined) await room
    const { busy, clock } = this.#options
    busy.begin()
    const takenAt = clock.now()
    const runs = unpackBatch(message)
    const unpackedMs = clock.now() - takenAt
    // What waits must not hold on to the message, which has the bytes of all records.
    const { number, places, row } = message
    const results: (PackedVerdicts | null)[] = []
    let pending = 0
    let hasReplied = false
    const begin = (actor: string, records: number, result: Promise<PackedVerdicts>): void => {
      const run = results.push(null) - 1
      pending += 1
      this.#addWaiting(actor, records)
      void result.then((verdicts) => {
        pending -= 1
        this.#addWaiting(actor, -records)
        if (!hasReplied) {
          results[run] = verdicts
          return
        }
        this.#tell({ batch: number, run, ...verdicts })
        if (pending === 0) this.#leave()
      })
    }
    this.#begin({ places, row }, runs, results, begin)
    // Many promises are settled already, or will be without a wait: those need no message of their own.
    if (pending > 0) await sleep(clock, 0)
    hasReplied = true
    if (pending === 0) this.#leave()
    else for (const [run, { actor }] of runs.entries()) if (results[run] === null) this.#slow.add(actor)
    const hasOutcome = pending < results.length
    const busyMs = hasOutcome ? busy.take() : 0
    const handledAt = clock.now()
    const reply = packReply(results, busyMs, message.slab.byteLength)
    const endedAt = clock.now()
    return { ...reply, packingMs: unpackedMs + endedAt - handledAt, totalMs: endedAt - takenAt }
  }

  #begin(
    { places, row }: Pick<BatchMessage, 'row'> & { readonly places: BatchMessage['places'] | undefined },
    runs: readonly PackedRun[],
    results: (PackedVerdicts | null)[],
    begin: (actor: string, records: number, result: Promise<PackedVerdicts>) => void,
  ): void {
    const { board, clock } = this.#options
    const time = { clock, turns: this.#turns }
    const notes = new BatchNotes(board, row)
    let first = 0
    let startedAt = clock.now()
    for (const { actor, records, state } of runs) {
      const { concurrency, runner } = this.#handlerOf(actor)
      // Main keeps to the limit for handlers that it has seen to return promises; others may begin to, at all threads at once.
      const inProgress = (this.#waiting.get(actor) ?? 0) + runner.leftOverRecords
      const isFull = inProgress >= (places?.get(actor) ?? concurrency)
      if (runner instanceof BatchRunner) {
        const ends = isFull ? runs.map(() => unrun) : runCall(runner, runs, notes, time)
        for (const [run, end] of ends.entries()) {
          if (end instanceof Promise) begin(actor, runs[run]!.records.length, end)
          else results.push(end)
        }
        // They are all of one actor.
        return
      }
      const own = this.#slow.has(actor) && !isFull ? records.map(withOwnBytes) : records
      const result = isFull ? unrun : runLane(runner, own, first, notes, time, startedAt, state)
      if (result instanceof Promise) {
        begin(actor, 1, result)
        startedAt = clock.now()
      } else {
        results.push(result)
        startedAt += result.elapsedMs
      }
      first += records.length
    }
  }

  #handlerOf(actor: string): OpenHandler {
    const handler = this.#options.handlers.get(actor)
    if (handler === undefined) throw new TroupeError('INTERNAL', `no handler is loaded for actor ${actor}`)
    return handler
  }

  /**
   * Lets the next batch in when the reply, and the outcomes that were told before this, have left: it may keep the thread
   * for long, or end it.
   */
  #leave(): void {
    this.#options.clock.after(0, () => {
      this.#gate.leave()
    })
  }

  #addWaiting(actor: string, records: number): void {
    this.#waiting.set(actor, (this.#waiting.get(actor) ?? 0) + records)
  }

  #tell(late: LateVerdicts): void {
    if (this.#late.push(late) > 1) return
    const { busy, clock, send } = this.#options
    clock.after(0, () => {
      const all = this.#late
      this.#late = []
      send(packOutcomes(all, busy.take()))
    })
  }
}

/**
 * What the handler is given of a record are views into the slab of its batch, and one that it waits with would keep the
 * bytes of all of them, whose room main has given to others already. It cannot be told apart before the handler has it,
 * so once one of an actor's records waits each of them gets a copy.
 */
function withOwnBytes({ record, ...rest }: PackedRecord): PackedRecord {
  const { key, value, headers } = record
  return {
    ...rest,
    record: {
      ...record,
      key: copyOf(key),
      value: copyOf(value),
      headers: headers.map(([name, bytes]) => [name, copyOf(bytes)]),
    },
  }
}

function copyOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}
