/** The thread's side of a trial: whatever the module does, it does it here. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { toWireError } from '../../errors.ts'
import { silentLog } from '../../log.ts'
import { loadHandler } from '../handlers/handler-module.ts'
import { tryHandler } from '../handlers/handler-trial.ts'
import { heapInForce, liftedHeapLimit } from './heap-limit.ts'
import type { TrialNotice, TrialRequest } from './trial.ts'

if (isMainThread) throw new Error('trial-thread.js runs in a worker thread only')

const { actor, url, shared, maxHeapMb } = workerData as TrialRequest
const lifted = maxHeapMb === null ? null : liftedHeapLimit(maxHeapMb, heapInForce())
const answer = await tryHandler(actor, () => loadHandler(url), shared, silentLog)
const threadError = lifted === null ? null : toWireError(lifted)
parentPort?.postMessage({ type: 'trial-answer', answer: { ...answer, threadError } } satisfies TrialNotice)
