/** Sets up a handler of whichever kind it is. */
import type { AnyHandler, UserHandler } from './any-handler.ts'
import { BatchRunner } from './batch-runner.ts'
import { HandlerRunner } from './handler-runner.ts'
import { OperatorRunner } from './operator-runner.ts'
import type { RunnerOptions } from './runner.ts'

/** Of what may run anywhere. */
export type UserRunner = HandlerRunner | BatchRunner

export type AnyRunner = UserRunner | OperatorRunner

/** Rejects with SETUP_FAILED. */
export function openUserRunner({ handler, ...options }: RunnerOptions<UserHandler>): Promise<UserRunner> {
  return handler.kind === 'batch-handler'
    ? BatchRunner.open({ ...options, handler })
    : HandlerRunner.open({ ...options, handler })
}

/** The same of operators as well. */
export async function openRunner({ handler, ...options }: RunnerOptions<AnyHandler>): Promise<AnyRunner> {
  return handler.kind === 'operator'
    ? new OperatorRunner({ ...options, handler })
    : await openUserRunner({ ...options, handler })
}
