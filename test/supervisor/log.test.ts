import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { TroupeError } from '../../src/errors.ts'
import { createLog } from '../../src/supervisor/log.ts'

function collect(): { readonly lines: Record<string, unknown>[]; readonly destination: Writable } {
  const lines: Record<string, unknown>[] = []
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString('utf8')) as Record<string, unknown>)
      done()
    },
  })
  return { lines, destination }
}

test('each entry is one JSON line with level, time, fields and message', () => {
  const { lines, destination } = collect()
  createLog({ level: 'info', destination }).warn({ partition: 'clicks/3' }, 'partition paused')
  expect(lines).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as unknown,
      pid: process.pid,
      partition: 'clicks/3',
      msg: 'partition paused',
    },
  ])
})

test('an entry of one of several processes says which', () => {
  const { lines, destination } = collect()
  createLog({ level: 'info', instance: 2, destination }).info({}, 'joined')
  expect(lines).toMatchObject([{ pid: process.pid, instance: 2, msg: 'joined' }])
})

test('what is less severe than the level is not written, and silent writes nothing', () => {
  const { lines, destination } = collect()
  createLog({ level: 'info', destination }).debug({}, 'no')
  createLog({ level: 'silent', destination }).error({}, 'no')
  expect(lines).toEqual([])
})

test('an error is written with its code, stack and causes', () => {
  const { lines, destination } = collect()
  const error = new TroupeError('INTERNAL', 'outer', { cause: new Error('inner') })
  createLog({ level: 'info', destination }).error({ error }, 'failed')
  expect(lines[0]?.['error']).toMatchObject({
    type: 'TroupeError',
    code: 'INTERNAL',
    message: expect.stringContaining('inner') as unknown,
    stack: expect.stringContaining('outer') as unknown,
  })
})
