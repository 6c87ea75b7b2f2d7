/** Says which value of a refused row the database did not take, for the dead letter. */
import type { DatabaseError } from 'pg'
import { TroupeError } from '../../errors.ts'
import { isServerError } from './errors.ts'
import type { TableStatement } from './table.ts'

export function explainRefusal(
  error: unknown,
  statement: TableStatement,
  values: readonly (string | null)[],
): TroupeError {
  if (!isServerError(error)) return new TroupeError('SINK_REFUSED', String(error), { cause: error })
  const table = error.table ?? statement.table
  const column = error.column ?? guessColumn(error, statement, values)
  const where = [
    `table "${table}"`,
    ...(column === undefined ? [] : [`column "${column}"`]),
    ...(error.constraint === undefined ? [] : [`constraint "${error.constraint}"`]),
  ].join(', ')
  const message = `${where} refuses it (SQLSTATE ${error.code ?? 'unknown'}): ${error.message}`
  return new TroupeError('SINK_REFUSED', message, { cause: error })
}

/** The server names no column when a text does not fit its type, but its message quotes the text or names the type. */
function guessColumn(
  error: DatabaseError,
  statement: TableStatement,
  values: readonly (string | null)[],
): string | undefined {
  const quoted = Array.from(error.message.matchAll(/"([^"]+)"/g), ([, text]) => text ?? '')
  const clues: ((value: string, type: string) => boolean)[] =
    error.code === '22021'
      ? [(value) => value.includes('\0')]
      : [
          (value) => error.message.includes(`"${value}"`),
          (_, type) => error.message.includes(type),
          (value) => quoted.some((text) => value.toLowerCase().includes(text.toLowerCase())),
        ]
  for (const clue of clues) {
    const suspects = statement.columns.filter(({ type }, at) => {
      const value = values[at]
      return value !== undefined && value !== null && clue(value, type)
    })
    if (suspects.length === 1) return suspects[0]?.name
  }
  return undefined
}
