/** The front of an operator as a handler: it prepares a record, asks under which key it goes on, and writes it there with its time. */
import type { PrepareContext } from '../../operators/operator.ts'
import { writtenTopic, type Fronted } from '../../operators/regroup/regrouped.ts'
import { timeHeader } from '../../operators/regroup/source-header.ts'
import { TroupeError } from '../../errors.ts'
import { done, isOutcome, type AnyRecordHandler, type HandlerContext, type Outcome } from './handler.ts'

/** What of a record does not depend on what is made of it. */
type Passed = Pick<HandlerContext<unknown>, 'key' | 'record'>

/** It writes to this topic. What `prepare` says with `skip`, `retry` or `deadLetter` holds, as of a handler. */
export function frontHandler(operator: Fronted, topicName: string): AnyRecordHandler {
  const { front, inputs } = operator
  const { by, prepare } = front
  const [input] = inputs
  if (input === undefined) throw new TroupeError('INTERNAL', `${operator.what} reads no topic`)
  const written = writtenTopic(operator, topicName)
  const goOn = (prepared: unknown, timeMs: number, { key, record }: Passed): Outcome => {
    if (isOutcome(prepared)) return prepared
    const value = prepare === undefined ? record.value : prepared
    const headers = [...record.headers, timeHeader(timeMs)]
    return done([written.record(value, { key: by === undefined ? record.key : by(prepared, key), headers })])
  }
  return {
    kind: 'handler',
    input,
    outputs: [written],
    ...(front.setup === undefined ? {} : { setup: front.setup }),
    ...(front.teardown === undefined ? {} : { teardown: front.teardown as (setup: unknown) => void | Promise<void> }),
    handle: (value, context) => {
      const timeMs = context.record.timestamp
      const prepared = prepare === undefined ? value : prepare(value, context as PrepareContext)
      if (!isThenable(prepared)) return goOn(prepared, timeMs, context)
      return Promise.resolve(prepared).then((settled) => goOn(settled, timeMs, context))
    },
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'
}
