/** The state of a handler as it is kept, read as handlers read it. */
import { AttemptState } from '../../state/attempt-state.ts'
import { entryKey, statePrefix } from '../../state/changelog-format.ts'
import type { DeclaredState, DeclaredStates } from '../../state/declared-state.ts'
import { keyTextOf } from '../../state/partition-state.ts'
import { stateAccess } from '../../state/state-access.ts'
import { StateValue } from '../../state/state-value.ts'
import type { StateStore } from '../../state/store.ts'

export function declaredState(states: DeclaredStates, name: string): DeclaredState<unknown, unknown> {
  const declared = states[name] as DeclaredState<unknown, unknown> | undefined
  if (declared !== undefined) return declared
  const names = Object.keys(states)
  const known = names.length === 0 ? 'it declares none' : `there are ${names.join(', ')}`
  throw new TypeError(`the handler declares no state ${name}; ${known}`)
}

/** What stands in the store for this key; undefined: nothing, or it is too old by the stream time of the store. */
export function keptValue(
  declared: DeclaredState<unknown, unknown>,
  name: string,
  key: Uint8Array,
  store: StateStore,
): unknown {
  const reader = {
    read: () => {
      const bytes = store.get(entryKey(statePrefix(name), key))
      return bytes === undefined ? null : StateValue.read(bytes)
    },
  }
  const attempt = new AttemptState(reader, keyTextOf(key), store.mark?.streamTime ?? null)
  return stateAccess({ [name]: { ...declared, initial: undefined } })(attempt)[name]?.get()
}
