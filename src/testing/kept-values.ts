/** The state of a handler as it is kept, read as handlers read it. */
import { AttemptState } from '../state/attempt-state.ts'
import { entryKey, statePrefix } from '../state/changelog-format.ts'
import type { DeclaredState, DeclaredStates } from '../state/declared-state.ts'
import { stateAccess } from '../state/state-access.ts'
import { StateValue } from '../state/state-value.ts'
import type { StateStore } from '../state/store.ts'

export function declaredState(states: DeclaredStates, name: string): DeclaredState<unknown, unknown> {
  const declared = states[name] as DeclaredState<unknown, unknown> | undefined
  if (declared !== undefined) return declared
  const names = Object.keys(states)
  const known = names.length === 0 ? 'it declares none' : `there are ${names.join(', ')}`
  throw new TypeError(`the handler declares no state ${name}; ${known}`)
}

/** What it gives of what was found for this key (latin-1), at this stream time; undefined: nothing was, or it is too old. */
export function keptValue(
  [name, declared]: readonly [name: string, DeclaredState<unknown, unknown>],
  key: string,
  found: StateValue | null,
  streamTime: number | null,
): unknown {
  const attempt = new AttemptState({ read: () => found }, key, streamTime)
  return stateAccess({ [name]: { ...declared, initial: undefined } })(attempt)[name]?.get()
}

/** What stands in a store; null: nothing. */
export function storedValue(store: StateStore, name: string, key: Uint8Array): StateValue | null {
  const bytes = store.get(entryKey(statePrefix(name), key))
  return bytes === undefined ? null : StateValue.read(bytes)
}
