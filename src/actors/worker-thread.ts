/**
 * The thread's side: loads the handlers once, then runs one batch per task. Nothing in here, or in
 * what it imports, may reach the native Kafka client: it cannot load beside main.
 */
import { isMainThread, parentPort, threadId, workerData } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { systemClock } from '../clock.ts'
import { TroupeError, toWireError, type WireError } from '../errors.ts'
import { BatchGate } from './batch-gate.ts'
import { loadHandler, manifestOf } from './handler-module.ts'
import { HandlerRunner } from './handler-runner.ts'
import { BatchNotes } from './progress-board.ts'
import { runLane } from './thread-lane.ts'
import { threadLog } from './thread-log.ts'
import {
  packReply,
  unpackBatch,
  type BatchMessage,
  type FailedReply,
  type HandlerManifest,
  type HandlerModule,
  type PackedVerdicts,
  type ReplyMessage,
  type ThreadNotice,
  type ThreadSetup,
} from './thread-protocol.ts'

if (isMainThread) throw new Error('worker-thread.js runs in a worker thread only')

const setup = workerData as ThreadSetup
const runners = new Map<string, HandlerRunner>()
const gate = new BatchGate()

const isLoaded = load()
// Main is told by a notice; a rejection that nobody awaits yet would end the thread, and its
// replacement, and so on.
isLoaded.catch(() => undefined)

/** One task of the pool. Never rejects: what rejects it is the end of its thread, and main relies on that. */
export default async function runBatch(message: BatchMessage): Promise<object> {
  try {
    await isLoaded
    const room = gate.enter(message.isAlone)
    if (room !== undefined) await room
    try {
      return transferred(await runRecords(message))
    } finally {
      gate.leave()
    }
  } catch (error) {
    return { type: 'failed', error: toWireError(error) } satisfies FailedReply
  }
}

/** The last task of a thread: tears down what its handlers have set up. Resolves with what failed. */
export async function tearDown(): Promise<WireError[]> {
  const failures: WireError[] = []
  for (const [actor, runner] of runners) {
    runners.delete(actor)
    try {
      await runner.close()
    } catch (error) {
      failures.push(toWireError(error))
    }
  }
  return failures
}

async function runRecords(message: BatchMessage): Promise<ReplyMessage> {
  const takenAt = performance.now()
  const before = performance.eventLoopUtilization()
  const notes = new BatchNotes(setup.board, message.row)
  const results: (PackedVerdicts | Promise<PackedVerdicts>)[] = []
  let isWaiting = false
  let first = 0
  const runs = unpackBatch(message)
  let startedAt = performance.now()
  const unpackedMs = startedAt - takenAt
  for (const run of runs) {
    const runner = runners.get(run.actor)
    if (runner === undefined) throw new TroupeError('INTERNAL', `no handler is loaded for actor ${run.actor}`)
    const result = runLane(runner, run.records, first, notes, startedAt)
    if (result instanceof Promise) {
      isWaiting = true
      startedAt = performance.now()
    } else {
      startedAt += result.elapsedMs
    }
    results.push(result)
    first += run.records.length
  }
  // Synchronous handlers have left no promise behind; then there is nothing to wait for.
  const settled = isWaiting ? await allOf(results) : (results as PackedVerdicts[])
  const busyMs = performance.eventLoopUtilization(before).active
  const handledAt = performance.now()
  const reply = packReply(settled, busyMs, message.slab.byteLength)
  const endedAt = performance.now()
  return { ...reply, packingMs: unpackedMs + endedAt - handledAt, totalMs: endedAt - takenAt }
}

async function allOf(results: readonly (PackedVerdicts | Promise<PackedVerdicts>)[]): Promise<PackedVerdicts[]> {
  const settled: PackedVerdicts[] = []
  for (const result of results) settled.push(await result)
  return settled
}

async function load(): Promise<void> {
  let needsTeardown = false
  try {
    const manifests: HandlerManifest[] = []
    for (const module of setup.handlers) {
      const handler = await loadHandler(module.url)
      runners.set(module.actor, await openRunner(module, handler))
      needsTeardown ||= handler.teardown !== undefined
      manifests.push(manifestOf(module.actor, handler))
    }
    notify({ type: 'ready', threadId, manifests, needsTeardown })
  } catch (error) {
    notify({ type: 'failed', threadId, error: toWireError(error), needsTeardown })
    throw error
  }
}

function openRunner(
  { actor, handlerTimeoutMs, idHeader, failedRecords }: HandlerModule,
  handler: Awaited<ReturnType<typeof loadHandler>>,
): Promise<HandlerRunner> {
  const name = handler.name ?? actor
  const log = threadLog(name, threadId, notify)
  return HandlerRunner.open({ handler, name, handlerTimeoutMs, idHeader, failedRecords, log, clock: systemClock })
}

function notify(notice: ThreadNotice): void {
  parentPort?.postMessage(notice)
}

/** Marks the reply's buffers for transfer, in the pool's way. */
function transferred(reply: ReplyMessage): object {
  return move({
    get [transferableSymbol]() {
      return [reply.numbers.buffer, reply.slab.buffer]
    },
    get [valueSymbol]() {
      return reply
    },
  })
}
