import { describe, expect, it } from 'vitest'
import { balanceLedger, findBrokenStretches } from './ledger.ts'
import type { InputEntry } from './ledger.ts'

/** 'a1 b1 a2' → ids with their letter as key. */
function entries(text: string): InputEntry[] {
  return text.split(' ').map((id) => ({ id, key: id[0]! }))
}

const inputs = entries('a1 b1 a2 a3 b2 a4')

describe('balanceLedger', () => {
  it('finds nothing wrong when each input came out once, whatever the keys did among themselves', () => {
    expect(balanceLedger(inputs, entries('b1 b2 a1 a2 a3 a4'))).toEqual({
      inputs: 6,
      outputs: 6,
      lost: [],
      duplicates: new Map(),
      unexpected: [],
      orderViolations: [],
    })
  })

  it('names what is missing', () => {
    expect(balanceLedger(inputs, entries('a1 b1 a2 b2')).lost).toEqual(['a3', 'a4'])
  })

  it('counts repeats without calling them disorder', () => {
    const balance = balanceLedger(inputs, entries('a1 a2 b1 a1 a2 a3 b2 a1 a4'))
    expect(balance.duplicates).toEqual(
      new Map([
        ['a1', 3],
        ['a2', 2],
      ]),
    )
    expect(balance.orderViolations).toEqual([])
    expect(balance.lost).toEqual([])
  })

  it('names a first occurrence that was overtaken within its key, even if it comes again later', () => {
    const balance = balanceLedger(inputs, entries('a1 a3 a2 a3 a4 b1 b2'))
    expect(balance.orderViolations).toEqual([{ key: 'a', id: 'a2', after: 'a3' }])
  })

  it('names each overtaken one against the one that overtook it', () => {
    expect(balanceLedger(inputs, entries('a4 a1 a2 a3 b1 b2')).orderViolations).toEqual([
      { key: 'a', id: 'a1', after: 'a4' },
      { key: 'a', id: 'a2', after: 'a4' },
      { key: 'a', id: 'a3', after: 'a4' },
    ])
  })

  it('names outputs that no input explains', () => {
    expect(balanceLedger(inputs, entries('a1 z9')).unexpected).toEqual(['z9'])
  })

  it('refuses inputs whose ids are not unique, since it could not tell them apart', () => {
    expect(() => balanceLedger(entries('a1 a1'), [])).toThrow('a1 goes in twice')
  })
})

describe('findBrokenStretches', () => {
  it.each([
    ['once each', 'a1 b1 a2 a3 b2 a4'],
    ['a stretch repeated from its middle', 'a1 a2 a3 a2 a3 a4'],
    ['a repetition cut short by another', 'a1 a2 a3 a2 a1 a2 a3 a4'],
    ['the last one written twice', 'a1 a1 a2'],
    ['keys that repeat each for itself', 'a1 b1 a2 a1 b2 b1 a2 b2 a3 a4'],
    ['nothing at all', 'b1'],
  ])('accepts %s', (_, outputs) => {
    expect(findBrokenStretches(inputs, entries(outputs))).toEqual([])
  })

  it.each([
    ['a gap', 'a1 a3', { key: 'a', id: 'a3', after: 'a1' }],
    ['a beginning that is not the first', 'a2', { key: 'a', id: 'a2', after: '' }],
    ['a repetition that skips', 'a1 a2 a3 a4 a2 a4', { key: 'a', id: 'a4', after: 'a2' }],
    ['a repetition that goes on beyond what is known', 'a1 a2 a1 a3', { key: 'a', id: 'a3', after: 'a1' }],
  ])('names %s', (_, outputs, violation) => {
    expect(findBrokenStretches(inputs, entries(outputs))).toEqual([violation])
  })
})
