/** Sets up a handler of whichever kind it is. */
import type { AnyHandler } from './batch-handler.ts'
import { BatchRunner } from './batch-runner.ts'
import { HandlerRunner } from './handler-runner.ts'
import type { RunnerOptions } from './runner.ts'

export type AnyRunner = HandlerRunner | BatchRunner

/** Rejects with SETUP_FAILED. */
export function openRunner({ handler, ...options }: RunnerOptions<AnyHandler>): Promise<AnyRunner> {
  return handler.kind === 'batch-handler'
    ? BatchRunner.open({ ...options, handler })
    : HandlerRunner.open({ ...options, handler })
}
