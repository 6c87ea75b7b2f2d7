/** Tries a handler module in a thread of its own, where its endless loop or its `process.exit` costs nobody anything. */
import { Worker } from 'node:worker_threads'
import { systemClock } from '../../clock.ts'
import { TroupeError, describeError, toWireError } from '../../errors.ts'
import { readableUrl } from '../../typescript-source.ts'
import type { TrialAnswer } from '../handlers/handler-trial.ts'
import type { SharedData } from '../handlers/shared-data.ts'
import { START_TIMEOUT_MS } from './thread-set.ts'

export interface TrialRequest {
  readonly actor: string
  readonly url: string
  readonly shared: SharedData | null
  /** Of the threads that a start would run it on; null: none, or it runs on main. */
  readonly maxHeapMb: number | null
}

/** What the thread says at its end. The module may post whatever it likes beside it. */
export interface TrialNotice {
  readonly type: 'trial-answer'
  readonly answer: TrialAnswer
}

export type TryModule = (request: TrialRequest) => Promise<TrialAnswer>

/** How Node ends where a module still waits, and nothing is left that it could wait for. */
const NEVER_SETTLES = 13

/** Never rejects. Takes at most as long as a start may take. */
export function tryInThread(request: TrialRequest, timeoutMs: number = START_TIMEOUT_MS): Promise<TrialAnswer> {
  const { maxHeapMb } = request
  const worker = new Worker(new URL('./trial-thread.js', import.meta.url), {
    workerData: request,
    // Standard output is the command's own.
    stdout: true,
    ...(maxHeapMb === null ? {} : { resourceLimits: { maxOldGenerationSizeMb: maxHeapMb } }),
  })
  worker.stdout.on('data', (printed: Buffer) => process.stderr.write(printed))
  return new Promise((resolve) => {
    const refuse = (what: string): void => {
      const message = `handler module ${readableUrl(request.url)} ${what}`
      resolve({ manifest: null, errors: [toWireError(new TroupeError('HANDLER_NOT_LOADED', message))] })
    }
    const cancel = systemClock.after(timeoutMs, () => {
      refuse(`was not loaded and set up within ${timeoutMs} ms`)
      end()
    })
    const end = (): void => {
      cancel()
      void worker.terminate()
    }
    worker.on('message', (message: unknown) => {
      if (!isTrialNotice(message)) return
      resolve(message.answer)
      end()
    })
    worker.once('error', (error) => {
      refuse(`threw while it was loaded or set up, where nobody could catch it: ${describeError(error)}`)
      end()
    })
    worker.once('exit', (code) => {
      cancel()
      if (code === NEVER_SETTLES) refuse('waits for what never comes: in a top-level await, its setup or its teardown')
      else refuse(`ended its thread while it was loaded or set up (process.exit(${code}))`)
    })
  })
}

function isTrialNotice(message: unknown): message is TrialNotice {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'trial-answer'
}
