/** What goes around a step of a handler. */
import { isOutcome, type Wrapper } from 'troupe'

/** Logs how long the step takes. */
export function timed<In, Out>(name: string): Wrapper<In, Out> {
  return async (value, { log }, next) => {
    const startedAt = performance.now()
    try {
      return await next(value)
    } finally {
      log.info({ step: name, ms: performance.now() - startedAt }, 'a step is done')
    }
  }
}

/** Looks each value up once. An outcome (a dead letter, say) is no value, and is not kept. */
export function cached<In, Out>(kept: Map<In, Out>): Wrapper<In, Out> {
  return async (value, _context, next) => {
    const hit = kept.get(value)
    if (hit !== undefined) return hit
    const found = await next(value)
    if (!isOutcome(found)) kept.set(value, found)
    return found
  }
}
