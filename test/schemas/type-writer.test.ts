import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readSchemas } from '../../src/schemas/schema-set.ts'
import { writeTypes } from '../../src/schemas/type-writer.ts'

const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name, fields })
const read = (files: Readonly<Record<string, unknown>>) =>
  readSchemas(
    Object.entries(files).map(([path, schema]) => ({
      path,
      text: typeof schema === 'string' ? schema : JSON.stringify(schema),
    })),
  )

function written(files: Readonly<Record<string, unknown>>): string {
  const { problems, schemas } = read(files)
  expect(problems).toEqual([])
  return writeTypes(schemas, { longs: 'bigint' })
}

describe('types of schemas', () => {
  test('are those that are checked in, for every kind of type', () => {
    const file = (ending: string): string =>
      readFileSync(new URL(`fixtures/everything.${ending}`, import.meta.url), 'utf8')
    expect(written({ 'everything.avsc': file('avsc') })).toBe(file('ts'))
  })

  test('have names of their own, where two have the same, or one has that of a type of ours', () => {
    const text = written({
      'a.avsc': record('a.Box', { name: 'other', type: record('b.Box') }, { name: 'at', type: record('c.Date') }),
      'd.avsc': record('d.order', { name: 'x', type: { type: 'enum', name: 'Record', symbols: ['A'] } }),
    })
    expect(text).toContain('export interface Box {\n  other: BBox\n  at: CDate\n}')
    expect(text).toContain("export type DRecord = 'A'")
    expect(text).toContain('export const orderSchema = ')
  })

  test('may hold themselves, and each other', () => {
    const next = { name: 'next', type: ['null', 'List'] }
    expect(written({ 'list.avsc': record('List', next) })).toContain('next: List | null')
  })

  test('are named after the file where the schema itself has no name', () => {
    const text = written({ 'user-events.avsc': ['null', 'string', record('Click')] })
    expect(text).toContain('export type UserEvents = null | { string: string } | { Click: Click }')
    expect(text).toContain('export const userEventsSchema = ')
  })

  test('are the same whatever white space the schema has', () => {
    const schema = record('A', { name: 'x', type: 'int' })
    expect(written({ 'a.avsc': JSON.stringify(schema, null, 7) })).toBe(written({ 'a.avsc': schema }))
  })

  test('stand once in a file of several schemas, which have to agree on them', () => {
    const item = (type: string) => record('Item', { name: 'x', type })
    const box = (type: string) => record('Box', { name: 'item', type: item(type) })
    const text = written({ 'item.avsc': item('int'), 'box.avsc': box('int') })
    expect(text.match(/export interface Item /g)).toHaveLength(1)
    expect(() => written({ 'item.avsc': item('int'), 'box.avsc': box('long') })).toThrow('two schemas define Item')
  })

  test('are refused for a number that a program would round, and keep a key that means something else there', () => {
    const wide = '{"type":"record","name":"A","fields":[{"name":"x","type":"long","default":9007199254740993}]}'
    expect(() => written({ 'a.avsc': wide })).toThrow('9007199254740993')
    const odd =
      '{"type":"record","name":"A","fields":[{"name":"m","type":{"type":"map","values":"int"},"default":{"__proto__":1}}]}'
    expect(written({ 'a.avsc': odd })).toContain("default: { ['__proto__']: 1 }")
  })
})

describe('schema files together', () => {
  const name = (path: string) => ({ name: 'x', type: path })

  test('find what others define, however deep, whatever their order', () => {
    const { problems, schemas } = read({
      'a.avsc': record('n.A', name('B')),
      'b.avsc': record('n.B', name('n.C')),
      'c.avsc': record('n.C'),
    })
    expect(problems).toEqual([])
    expect(schemas.map(({ references }) => references.map((each) => each.name))).toEqual([['n.C', 'n.B'], ['n.C'], []])
  })

  test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ['is broken', { 'a.avsc': '{' }, /no JSON/],
    ['names what nobody defines', { 'a.avsc': record('A', name('B')) }, /"B" is no type/],
    [
      'names what two define',
      { 'a.avsc': record('A', name('B')), 'b.avsc': record('B'), 'c.avsc': record('B') },
      /both b\.avsc and c\.avsc/,
    ],
    [
      'needs itself',
      { 'a.avsc': record('A', name('B')), 'b.avsc': record('B', name('A')) },
      /needs itself: a\.avsc → b\.avsc → a\.avsc/,
    ],
    ['is deeper than the stack', { 'a.avsc': '['.repeat(100_000) }, /levels/],
  ])('say which of them %s, and read the others', (_, files, reason) => {
    const { problems, schemas } = read({ ...files, 'z.avsc': record('Z') })
    expect(problems[0]).toMatchObject({ path: 'a.avsc', reason: expect.stringMatching(reason) as string })
    expect(schemas.map(({ path }) => path)).toContain('z.avsc')
  })
})
