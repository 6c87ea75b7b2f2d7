/** A handler, loaded and set up and torn down again to see whether that goes well: `troupe check`. */
import { systemClock } from '../../clock.ts'
import { TroupeError, toWireError, type WireError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { HandlerManifest } from './handler-manifest.ts'
import { manifestOf } from './handler-module.ts'
import { noSchemas } from './handler-schemas.ts'
import { openRunner } from './open-runner.ts'
import type { AnyHandler } from './any-handler.ts'
import type { SharedData } from './shared-data.ts'

/** Plain data: it crosses from a thread. */
export interface TrialAnswer {
  /** null: it could not be loaded. */
  readonly manifest: HandlerManifest | null
  readonly errors: readonly WireError[]
  /** What is wrong with the thread itself, whoever runs on it. */
  readonly threadError?: WireError | null
}

/** Never rejects. Without `shared` the setup is left out: what it asks for could not be loaded. */
export async function tryHandler(
  actor: string,
  load: () => Promise<AnyHandler>,
  shared: SharedData | null,
  log: Log,
): Promise<TrialAnswer> {
  let handler: AnyHandler
  try {
    handler = await load()
  } catch (error) {
    return { manifest: null, errors: [toWireError(error)] }
  }
  const errors: WireError[] = []
  try {
    if (shared !== null) await setUp(actor, handler, shared, log)
  } catch (error) {
    errors.push(toWireError(error))
  }
  return { manifest: manifestOf(actor, handler), errors }
}

async function setUp(actor: string, handler: AnyHandler, shared: SharedData, log: Log): Promise<void> {
  const runner = await openRunner({
    handler,
    name: handler.name ?? actor,
    // No record comes.
    handlerTimeoutMs: 1,
    idHeader: false,
    log,
    clock: systemClock,
    shared,
    schemas: noSchemas,
  })
  try {
    await runner.close()
  } catch (error) {
    const message = `teardown of handler ${runner.name}, called right after its setup, failed`
    throw new TroupeError('SETUP_FAILED', message, { cause: error instanceof Error ? error.cause : error })
  }
}
