/** The documents say what the code does: examples are cut from files that are compiled and run, tables are printed. */
import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { documents } from '../scripts/reference.ts'
import { errorTable } from '../src/error-table.ts'
import { actorOptions } from '../src/options/options.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

describe('README.md', () => {
  const cut = [
    ...[
      'README.md',
      'docs/pacing.md',
      'docs/producing.md',
      'docs/schemas.md',
      'docs/sinks.md',
      'docs/state.md',
      'docs/windows.md',
    ]
      .map(read)
      .join('')
      .matchAll(/<!-- from (\S+) -->\s+```ts\n([\s\S]*?)```/g),
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

/** What an operator reads at night has to be there. */
describe('docs/failure.md', () => {
  const page = read('docs/failure.md')
  const spans = [...page.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!)
  const sourceFolder = new URL('../src/', import.meta.url)
  const sources = readdirSync(sourceFolder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => read(`src/${path}`))

  const named: readonly [what: string, pattern: RegExp, exists: (name: string) => boolean][] = [
    ['metric', /^troupe_\w+$/, (name) => read('docs/metrics.md').includes(`| \`${name}\` |`)],
    ['code', /^(?!TROUPE_)[A-Z]+(_[A-Z]+)+$/, (name) => name in errorTable],
    ['header', /^troupe\.[a-z-]+$/, (name) => read('src/streams/delivery/dead-letter.ts').includes(`'${name}'`)],
    ['option', /^(retry|handler|failed|dead)\w*[A-Z.]\w*$/, (name) => name in actorOptions || name === 'retryAfterMs'],
  ]
  test.each(named)('each %s that it names is there', (_what, pattern, exists) => {
    const names = spans.filter((span) => pattern.test(span))
    expect(names.length).toBeGreaterThan(2)
    expect(names.filter((name) => !exists(name))).toEqual([])
  })

  test('each log line that it names is one that is written', () => {
    const [, section = ''] = page.split('\n## By log line\n')
    const lines = [...section.split('\n## ')[0]!.matchAll(/^\| `([^`]+)` \|/gm)].map(([, line]) => line!)
    expect(lines.length).toBeGreaterThan(5)
    const parts = lines.flatMap((line) => line.split('…').map((part) => part.trim())).filter((part) => part.length > 3)
    expect(parts.filter((part) => !sources.some((source) => source.includes(part)))).toEqual([])
  })

  test('each heading that it links to is there', () => {
    const anchors = [...page.matchAll(/^##? (.+)$/gm)].map(([, heading]) => heading!.toLowerCase().replaceAll(' ', '-'))
    const links = [...page.matchAll(/\]\(#([\w-]+)\)/g)].map(([, link]) => link!)
    expect(links.filter((link) => !anchors.includes(link))).toEqual([])
  })

  test('has each header of a dead letter', () => {
    const headers = [...read('src/streams/delivery/dead-letter.ts').matchAll(/'(troupe\.[a-z-]+)'/g)].map(
      ([, name]) => name!,
    )
    expect(headers.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })
})

describe('docs/', () => {
  test.each(documents)('$path is what the tables print (npm run docs)', ({ path, text }) => {
    expect(read(path)).toBe(text)
  })
})
