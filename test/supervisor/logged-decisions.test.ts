import { expect, test } from 'vitest'
import { hashOf } from '../../src/actors/key-text.ts'
import { TroupeError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { LoggedDecisions } from '../../src/supervisor/logged-decisions.ts'

function world(engine: Partial<ConstructorParameters<typeof LoggedDecisions>[0]>) {
  const lines: object[] = []
  const none = { decide: () => undefined, decideKey: () => [] }
  const log = { ...silentLog, info: (fields: object) => lines.push(fields) }
  return { lines, decisions: new LoggedDecisions({ ...none, ...engine }, log) }
}

test("each decision of the program's own leaves one line: of what, and which", () => {
  const { decisions, lines } = world({ decideKey: () => ['clicks/0/7', 'clicks/0/9'] })
  decisions.decide('clicks/0/3', 'skip')
  expect(decisions.decideKey('clicks', 'ada', 'retry')).toEqual(['clicks/0/7', 'clicks/0/9'])
  expect(lines).toEqual([
    { id: 'clicks/0/3', decision: 'skip' },
    { topic: 'clicks', keyHash: hashOf('ada'), ids: ['clicks/0/7', 'clicks/0/9'], decision: 'retry' },
  ])
})

test('a refused one leaves none', () => {
  const { decisions, lines } = world({
    decide() {
      throw new TroupeError('NOT_PARKED', 'record clicks/0/3 is not parked in this process')
    },
  })
  expect(() => {
    decisions.decide('clicks/0/3', 'skip')
  }).toThrow('is not parked')
  expect(lines).toEqual([])
})

test.each(['Retry', 'skipp', undefined])(
  '%o is no decision: it is refused, and nothing becomes of the record',
  (decision) => {
    const asked: string[] = []
    const { decisions, lines } = world({ decide: (id) => asked.push(id), decideKey: (topic) => [topic] })
    const refusal = expect.objectContaining({ code: 'OPTIONS_INVALID' }) as Error
    expect(() => {
      decisions.decide('clicks/0/3', decision as never)
    }).toThrow(refusal)
    expect(() => decisions.decideKey('clicks', 'ada', decision as never)).toThrow(refusal)
    expect([asked, lines]).toEqual([[], []])
  },
)
