/** The front of an operator as a handler: it prepares a record, asks under which key it goes on, and writes it there with its time. */
import type { PrepareContext } from '../../operators/operator.ts'
import {
  frontName,
  isFronted,
  regrouped,
  repartitionTopic,
  writtenTopic,
  type Fronted,
} from '../../operators/regroup/regrouped.ts'
import { timeHeader } from '../../operators/regroup/source-header.ts'
import { TroupeError } from '../../errors.ts'
import type { ResolvedActor } from '../../options/options.ts'
import { refuseGlobals, refuseOperator, type AnyHandler, type UserHandler } from './any-handler.ts'
import { timeTold } from './topic-times.ts'
import { done, isOutcome, type AnyRecordHandler, type HandlerContext, type Outcome } from './handler.ts'

/** What of a record does not depend on what is made of it. */
type Passed = Pick<HandlerContext<unknown>, 'key' | 'record'>

/** What its runner has to know of a record. */
interface Timed {
  toldMs?: number
}

/** What the engine has to know of a front. */
export interface FrontOf {
  /** The actor that it writes for. */
  readonly actor: string
  /** By way of this topic. */
  readonly topic: string
  readonly markEveryMs: number
  readonly maxAdvanceMs: number | null
  readonly idleAfterMs: number | null
}

export type FrontHandler = AnyRecordHandler & { readonly frontOf: FrontOf }

/** null: it is no front. */
export function frontOf(handler: AnyHandler): FrontOf | null {
  return handler.kind === 'handler' && 'frontOf' in handler ? (handler as FrontHandler).frontOf : null
}

/** An actor with a front is two: that, and the one behind it. Any other is as it is. */
export function withFront(actor: ResolvedActor, handler: AnyHandler, groupId: string): readonly ResolvedActor[] {
  if (handler.kind !== 'operator' || !isFronted(handler)) return [actor]
  const name = frontName(actor.name)
  const of = frontOfActor(handler, actor.name, groupId)
  const onMain = actor.runOn === 'main' ? { handler: frontHandler(handler, of) } : {}
  const front = { ...actor, name, ...ofFront, ...onMain }
  const behind = {
    ...actor,
    runOn: 'main' as const,
    handler: regrouped(handler, of.topic),
    // Its input is ours: nothing in it is too old to be read, and nothing was there before the group.
    startFrom: 'earliest' as const,
    outOfRange: 'fail' as const,
    rate: { perSecond: null, burst: null },
    concurrency: typeof actor.concurrency === 'number' ? actor.concurrency : FOLD_CONCURRENCY,
  }
  return [front, behind]
}

/** In whatever order: what becomes of its records is concluded in theirs. What it writes ends with a header of its own. */
const ofFront = { order: 'unordered', idHeader: false } as const

/** What a thread has to know of an actor. */
interface PartSettings {
  readonly actor: string
  readonly groupId: string
  readonly order: ResolvedActor['order']
  readonly idHeader: boolean
}

/** What runs on threads of a module: a handler, or the front of an operator, which runs on main itself. Throws OPTIONS_INVALID for another one. */
export function partOnThreads<Settings extends PartSettings>(
  handler: AnyHandler,
  settings: Settings,
): { readonly settings: Settings; readonly handler: UserHandler } {
  const { actor, groupId } = settings
  if (handler.kind !== 'operator' || !isFronted(handler)) {
    return { settings, handler: refuseGlobals(refuseOperator(handler, actor), actor) }
  }
  const front = frontHandler(handler, frontOfActor(handler, actor, groupId))
  return { settings: { ...settings, ...ofFront, actor: frontName(actor) }, handler: front }
}

function frontOfActor(operator: Fronted, actor: string, groupId: string): FrontOf {
  return {
    actor,
    topic: repartitionTopic(groupId, actor),
    markEveryMs: operator.front.markEveryMs ?? MARK_EVERY_MS,
    maxAdvanceMs: operator.maxAdvanceMs,
    idleAfterMs: operator.idleAfterMs,
  }
}

const MARK_EVERY_MS = 1_000
/** It waits for nothing. */
const FOLD_CONCURRENCY = 1_000

/** It writes to this topic. What `prepare` says with `skip`, `retry` or `deadLetter` holds, as of a handler. */
function frontHandler(operator: Fronted, of: FrontOf): FrontHandler {
  const { front, inputs } = operator
  const { by, prepare } = front
  const [input] = inputs
  if (input === undefined) throw new TroupeError('INTERNAL', `${operator.what} reads no topic`)
  const written = writtenTopic(operator, of.topic)
  const goOn = (prepared: unknown, timeMs: number, { key, record }: Passed): Outcome => {
    if (isOutcome(prepared)) return prepared
    const value = prepare === undefined ? record.value : prepared
    const headers = [...record.headers, timeHeader(timeMs)]
    return done([written.record(value, { key: by === undefined ? record.key : by(prepared, key), headers })])
  }
  return {
    kind: 'handler',
    frontOf: of,
    input,
    outputs: [written],
    ...(front.setup === undefined ? {} : { setup: front.setup }),
    ...(front.teardown === undefined ? {} : { teardown: front.teardown as (setup: unknown) => void | Promise<void> }),
    handle: (value, context) => {
      const timeMs = timeTold(input, context.record, value)
      // It passes, whatever becomes of the record.
      ;(context as Timed).toldMs = timeMs
      const prepared = prepare === undefined ? value : prepare(value, context as PrepareContext)
      if (!isThenable(prepared)) return goOn(prepared, timeMs, context)
      return Promise.resolve(prepared).then((settled) => goOn(settled, timeMs, context))
    },
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'
}
