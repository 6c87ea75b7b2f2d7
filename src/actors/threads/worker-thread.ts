/**
 * The thread's side: loads the handlers once, then runs one batch per task. Nothing in here, or in
 * what it imports, may reach the native Kafka client: it cannot load beside main.
 */
import type { UserHandler } from '../handlers/any-handler.ts'
import { partOnThreads } from '../handlers/front-handler.ts'
import type { HandlerManifest } from '../handlers/handler-manifest.ts'
import { getHeapStatistics } from 'node:v8'
import { isMainThread, parentPort, threadId, workerData } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { inBackground, systemClock } from '../../clock.ts'
import { toWireError, type WireError } from '../../errors.ts'
import { Lookout } from '../../lookout.ts'
import { loadHandler, manifestOf } from '../handlers/handler-module.ts'
import { noSchemas } from '../handlers/handler-schemas.ts'
import { openUserRunner, type UserRunner } from '../handlers/open-runner.ts'
import { LoopBusyMeter } from './busy-meter.ts'
import { heapInForce, liftedHeapLimit } from './heap-limit.ts'
import { ThreadBatches, type OpenHandler } from './thread-batches.ts'
import { openNewsInbox } from './schemas/news-channel.ts'
import { ThreadSchemas } from './schemas/thread-schemas.ts'
import { threadLog } from './thread-log.ts'
import type {
  BatchMessage,
  FailedReply,
  HandlerModule,
  OutcomesNotice,
  ReplyMessage,
  ThreadNotice,
  ThreadSetup,
} from './protocol/thread-protocol.ts'

if (isMainThread) throw new Error('worker-thread.js runs in a worker thread only')

const setup = workerData as ThreadSetup
const handlers = new Map<string, OpenHandler>()
const lookout = new Lookout(systemClock).start()
const batches = new ThreadBatches({
  board: setup.board,
  handlers,
  send: sendOutcomes,
  clock: systemClock,
  busy: new LoopBusyMeter(),
})

const schemas = setup.schemaChannel === null ? null : new ThreadSchemas(openNewsInbox(setup.schemaChannel), lookout)
/** Of what its handlers write with: known when the handlers are loaded. */
const written: string[] = []
const isLoaded = load()
/** It may run batches: the ids of what it writes with are known, too. Main looks for them when it knows from threads what those are. */
const mayRun = isLoaded.then(() => schemas?.whenKnown(written))
// Main is told by a notice; a rejection that nobody awaits yet would end the thread, and its
// replacement, and so on.
mayRun.catch(() => undefined)

/** One task of the pool. Never rejects: what rejects it is the end of its thread, and main relies on that. */
export default async function runBatch(message: BatchMessage): Promise<object> {
  try {
    await mayRun
    return transferred(await batches.run(message))
  } catch (error) {
    return { type: 'failed', error: toWireError(error) } satisfies FailedReply
  }
}

/** The last task of a thread: tears down what its handlers have set up. Resolves with what failed. */
export async function tearDown(): Promise<WireError[]> {
  const failures: WireError[] = []
  schemas?.close()
  for (const [actor, { runner }] of handlers) {
    handlers.delete(actor)
    try {
      await runner.close()
    } catch (error) {
      failures.push(toWireError(error))
    }
  }
  return failures
}

async function load(): Promise<void> {
  let needsTeardown = false
  try {
    const lifted = setup.maxHeapMb === null ? null : liftedHeapLimit(setup.maxHeapMb, heapInForce())
    if (lifted !== null) throw lifted
    const manifests: HandlerManifest[] = []
    for (const module of setup.handlers) {
      notify({ type: 'loading', threadId, url: module.url })
      const { handler, settings } = partOnThreads(await loadHandler(module.url), module)
      const { actor, concurrency } = settings
      const runner = await open(settings, handler)
      runner.onThrottle = (forMs, id) => {
        notify({ type: 'throttle', threadId, actor, forMs, id })
      }
      runner.onLeftOver = (change) => {
        notify({ type: 'left-over', threadId, actor, handler: runner.name, change })
      }
      handlers.set(actor, { runner, concurrency })
      needsTeardown ||= handler.teardown !== undefined
      const manifest = manifestOf(actor, handler)
      manifests.push(manifest)
      for (const { subject, use } of manifest.schemas) if (use === 'write') written.push(subject)
    }
    notify({ type: 'ready', threadId, manifests, needsTeardown })
    if (setup.memoryReportMs !== null) {
      tellMemory()
      inBackground(setup.memoryReportMs, tellMemory)
    }
  } catch (error) {
    notify({ type: 'failed', threadId, error: toWireError(error), needsTeardown })
    throw error
  }
}

function open(
  { actor, handlerTimeoutMs, idHeader, failedRecords, order }: HandlerModule,
  handler: UserHandler,
): Promise<UserRunner> {
  const name = handler.name ?? actor
  const log = threadLog(name, threadId, notify)
  return openUserRunner({
    handler,
    name,
    handlerTimeoutMs,
    idHeader,
    failedRecords,
    order,
    log,
    clock: lookout,
    shared: setup.shared,
    schemas: schemas ?? noSchemas,
  })
}

function notify(notice: Exclude<ThreadNotice, OutcomesNotice>): void {
  parentPort?.postMessage(notice)
}

function tellMemory(): void {
  const { total_heap_size, external_memory } = getHeapStatistics()
  notify({ type: 'memory', threadId, bytes: total_heap_size + external_memory })
}

function sendOutcomes(notice: OutcomesNotice): void {
  parentPort?.postMessage(notice, [notice.numbers.buffer, notice.slab.buffer])
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
