import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { TroupeError } from '../../src/errors.ts'
import { createLog, formOf, jsonLog } from '../../src/supervisor/log.ts'

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
  jsonLog({ level: 'info', destination }).warn({ partition: 'clicks/3' }, 'partition paused')
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
  jsonLog({ level: 'info', instance: 2, destination }).info({}, 'joined')
  expect(lines).toMatchObject([{ pid: process.pid, instance: 2, msg: 'joined' }])
})

test('what is less severe than the level is not written, and silent writes nothing', () => {
  const { lines, destination } = collect()
  jsonLog({ level: 'info', destination }).debug({}, 'no')
  jsonLog({ level: 'silent', destination }).error({}, 'no')
  expect(lines).toEqual([])
})

test('an error is written with its code, stack and causes', () => {
  const { lines, destination } = collect()
  const error = new TroupeError('INTERNAL', 'outer', { cause: new Error('inner') })
  jsonLog({ level: 'info', destination }).error({ error }, 'failed')
  expect(lines[0]?.['error']).toMatchObject({
    type: 'TroupeError',
    code: 'INTERNAL',
    message: expect.stringContaining('inner') as unknown,
    stack: expect.stringContaining('outer') as unknown,
  })
})

test('for people a line has the time of day, the level, the sentence and then the fields; what is wrong has its stack', async () => {
  const texts: string[] = []
  const destination = { write: (text: string) => texts.push(text) }
  const log = await createLog({ level: 'info', format: 'pretty', destination })
  log.warn({ partition: 'clicks/3' }, 'partition paused')
  expect(texts.splice(0)).toEqual([
    expect.stringMatching(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: partition paused \{"partition":"clicks\/3"\}\n$/),
  ])
  log.error({ error: new TroupeError('INTERNAL', 'outer') }, 'failed')
  expect(texts.join('')).toMatch(/ERROR: failed[^]*"code": "INTERNAL"/)
  expect(texts.join('')).toContain('log.test.ts')
})

test('where no terminal reads it, a log is JSON unless told otherwise', () => {
  expect([formOf('auto'), formOf('json'), formOf('pretty')]).toEqual(['json', 'json', 'pretty'])
})

test('what is queued when a process ends is written, embedded too', async () => {
  const script = `
    import { writeSync } from 'node:fs'
    import { jsonLog } from ${JSON.stringify(new URL('../../src/supervisor/log.ts', import.meta.url).href)}
    const log = jsonLog({ level: 'info' })
    for (let at = 0; at < 1000; at += 1) log.info('x'.repeat(500))
    writeSync(1, 'written')
    process.exit(0)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script])
  // Nobody reads before all is queued.
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  const said = await text(child.stderr)
  expect(said.trimEnd().split('\n')).toHaveLength(1000)
})
