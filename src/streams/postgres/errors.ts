/** What an error of PostgreSQL means for the rows that were to be written. Told by SQLSTATE; messages are translated. */
import type { DatabaseError } from 'pg'

/**
 * - `data`        these values will never be accepted: find the rows and refuse them.
 * - `conflict`    somebody else was in the way (deadlock, serialisation): the same again, at once.
 * - `structure`   the database is up but changed or forbids it (table dropped, right revoked). It
 *                 waits like `unavailable`: an operator can repair it, and nothing is lost.
 * - `unavailable` nothing can be said about the rows: wait, then the same again.
 */
export type RowTrouble = 'data' | 'conflict' | 'structure' | 'unavailable'

/** By SQLSTATE, the longest prefix counts. What is not listed is `unavailable`: waiting loses nothing. */
const troubles: Readonly<Record<string, RowTrouble>> = {
  '21': 'data', // cardinality: one key twice in a statement, in two spellings
  '22': 'data', // data exception
  '23': 'data', // integrity constraint
  '44': 'data', // with check option
  '54': 'data', // program limit: an index row too large
  P0001: 'data', // raised by a trigger
  '40001': 'conflict',
  '40P01': 'conflict',
  '0A': 'structure',
  '26': 'structure',
  '28': 'structure',
  '3D': 'structure',
  '3F': 'structure',
  '42': 'structure',
}

export function judge(error: unknown): RowTrouble {
  if (!isServerError(error)) return 'unavailable'
  // A row-level security policy refuses a row with the code of a missing right.
  if (error.routine === 'ExecWithCheckOptions') return 'data'
  const state = error.code ?? ''
  return troubles[state] ?? troubles[state.slice(0, 2)] ?? 'unavailable'
}

/** True: the server answered with an error. False: the connection is what failed. */
export function isServerError(error: unknown): error is DatabaseError {
  return error instanceof Error && typeof Reflect.get(error, 'severity') === 'string'
}

/** After these a new connection may reach a better server. */
export function asksForNewConnection(error: unknown): boolean {
  if (!isServerError(error)) return true
  const state = error.code ?? ''
  return state === '25006' || /^(0A|08|57P)/.test(state)
}

/** The session has lost a prepared statement of ours, or has one of that name which we did not prepare. */
export function isNameTrouble(error: unknown): boolean {
  return isServerError(error) && (error.code === '26000' || error.code === '42P05')
}

/** Says why there is no connection, in words for the operator. Never contains the password. */
export function describeConnectionError(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  switch (code) {
    case 'ECONNREFUSED':
      return 'nobody listens there (ECONNREFUSED)'
    case 'ENOTFOUND':
      return 'the host name is unknown (ENOTFOUND)'
    case 'EAI_AGAIN':
      return 'the host name could not be looked up (EAI_AGAIN)'
    case 'ENOENT':
      return 'there is no such socket (ENOENT)'
    default:
  }
  const parameter = isServerError(error)
    ? /^unsupported startup parameter: ([\w.]+)/.exec(error.message)?.[1]
    : undefined
  if (parameter !== undefined) {
    return (
      `the pooler takes no parameter ${parameter}: take it out of the URL, and set it for the role (ALTER ROLE … SET ` +
      `${parameter}), or list it in the pooler's ignore_startup_parameters`
    )
  }
  if (isServerError(error)) return `${error.message} (SQLSTATE ${error.code ?? 'unknown'})`
  const message = error instanceof Error ? error.message : String(error)
  if (message.includes('client password must be a')) return 'the server asks for a password, and the URL has none'
  return typeof code === 'string' ? `${message} (${code})` : message
}
