/** The documents say what the code does: examples are cut from files that are compiled and run, tables are printed. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { documents } from '../scripts/reference.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

describe('README.md', () => {
  const cut = [
    ...(read('README.md') + read('docs/pacing.md')).matchAll(/<!-- from (\S+) -->\s+```ts\n([\s\S]*?)```/g),
  ].map(([, file = '', code = '']) => ({ file, code }))

  test('has examples at all', () => {
    expect(cut.length).toBeGreaterThanOrEqual(5)
  })

  test.each(cut)('the example from $file stands there word for word', ({ file, code }) => {
    const unindented = (source: string): string => source.replace(/^[ \t]+/gm, '')
    expect(unindented(read(file))).toContain(unindented(code).trim())
  })

  test('says the guarantee in the words of the offset tracker', () => {
    const invariant = 'A position is committed only when every record below it is finished'
    expect(read('README.md')).toContain(invariant)
    expect(read('src/streams/positions/offset-tracker.ts')).toContain(invariant)
  })
})

describe('docs/', () => {
  test.each(documents)('$path is what the tables print (npm run docs)', ({ path, text }) => {
    expect(read(path)).toBe(text)
  })
})
