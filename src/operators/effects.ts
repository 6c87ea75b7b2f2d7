/** What the functions of a definition return, on its way out. */
import type { Effect } from '../streams/flows/flow.ts'
import type { KeyedEffect } from './operator.ts'

/**
 * Each with `timeMs` as timestamp, unless the function has said another one, or that is 0: the client would write its own time
 * in its place, so that is refused. `what`: which function it was. Throws TypeError
 * for what is no list.
 */
export function timedEffects(what: string, returned: unknown, timeMs: number): KeyedEffect[] {
  if (!Array.isArray(returned)) {
    const hint = returned instanceof Promise ? 'a promise: it has to be synchronous' : typeof returned
    throw new TypeError(`${what} has to return a list of outputs, and returned ${hint}`)
  }
  return (returned as Effect[]).map((effect) => ({ effect: timed(effect, timeMs) }))
}

function timed(effect: Effect, timeMs: number): Effect {
  if (effect.type !== 'record' || effect.options.timestamp !== undefined || timeMs === 0) return effect
  return { ...effect, options: { ...effect.options, timestamp: timeMs } }
}
