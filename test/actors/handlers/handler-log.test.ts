import { expect, test } from 'vitest'
import { handlerLog, lineOf } from '../../../src/actors/handlers/handler-log.ts'
import type { Log } from '../../../src/log.ts'

test('each line says whose it is', () => {
  const lines: unknown[] = []
  const note = (fields: object, message: string): void => void lines.push([fields, message])
  const log: Log = { debug: note, info: note, warn: note, error: note }
  handlerLog('enrich', log).warn({ order: 7 }, 'busy')
  expect(lines).toEqual([[{ handler: 'enrich', order: 7 }, 'busy']])
})

test('a lone sentence is the message, not a field per character', () => {
  expect(lineOf('busy', undefined)).toEqual({ fields: {}, message: 'busy' })
  expect(lineOf({ order: 7 }, 'busy')).toEqual({ fields: { order: 7 }, message: 'busy' })
})
