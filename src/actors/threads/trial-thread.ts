/** The thread's side of a trial: whatever the module does, it does it here. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { silentLog } from '../../log.ts'
import { loadHandler } from '../handlers/handler-module.ts'
import { tryHandler } from '../handlers/handler-trial.ts'
import type { TrialNotice, TrialRequest } from './trial.ts'

if (isMainThread) throw new Error('trial-thread.js runs in a worker thread only')

const { actor, url, shared } = workerData as TrialRequest
const answer = await tryHandler(actor, () => loadHandler(url), shared, silentLog)
parentPort?.postMessage({ type: 'trial-answer', answer } satisfies TrialNotice)
