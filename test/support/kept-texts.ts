/** Asks the collector's own list of objects what maps and sets of this process still hold: private fields hide nothing from it. */
import { Session } from 'node:inspector'

/**
 * Keys and values, in any Map or Set that is alive, that are text with `mark` in it, or a number at or beyond `number`.
 * What only waits to be collected does not count.
 */
export function keptTexts(mark: string, number: number): string[] {
  const session = new Session()
  session.connect()
  try {
    return ['Map', 'Set'].flatMap((name) => {
      const prototype = ask(session, 'Runtime.evaluate', { expression: `${name}.prototype` }) as Evaluated
      const { objects } = ask(session, 'Runtime.queryObjects', {
        prototypeObjectId: prototype.result.objectId,
      }) as { objects: { objectId: string } }
      const found = ask(session, 'Runtime.callFunctionOn', {
        objectId: objects.objectId,
        functionDeclaration: find.toString(),
        arguments: [{ value: mark }, { value: number }],
        returnByValue: true,
      }) as { result: { value: string[] } }
      return found.result.value
    })
  } finally {
    session.disconnect()
  }
}

interface Evaluated {
  readonly result: { readonly objectId: string }
}

/** Runs inside the inspector, with all maps or sets as `this`. */
function find(this: readonly (Map<unknown, unknown> | Set<unknown>)[], mark: string, number: number): string[] {
  const found: string[] = []
  const look = (value: unknown): void => {
    if (typeof value === 'string' && (value.includes(mark) || Number(value) >= number)) found.push(value)
    if (typeof value === 'number' && value >= number && Number.isFinite(value)) found.push(String(value))
  }
  for (const each of this) {
    // A prototype is in the list as well, and is none itself.
    if (!(each instanceof Map || each instanceof Set) || Object.hasOwn(each, 'constructor')) continue
    for (const [key, value] of each.entries()) {
      look(key)
      if (value !== key) look(value)
    }
  }
  return found
}

/** Answers come within the call, as the inspector runs on this very thread. */
function ask(session: Session, method: string, parameters: object): unknown {
  let answer: unknown
  let failure: unknown = new Error(`${method} did not answer at once`)
  session.post(method, parameters, (error, result) => {
    failure = error
    answer = result
  })
  if (failure !== null && failure !== undefined) throw failure as Error
  return answer
}
