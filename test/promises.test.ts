/** test/README.md says which tests show which promise. Here: that each of them exists, and that no promise is left out. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))
const rows = readFileSync(`${folder}README.md`, 'utf8')
  .split('\n')
  .filter((line) => line.includes(' › '))
  .map((line) => line.slice(2, -2).split(' | '))
const evidence = rows.flatMap(([promise, ...cells]) =>
  cells.flatMap((cell) => cell.split('<br>').map((each) => ({ promise: promise!, each }))),
)

/** `file › title` in code and prose: the title stands in the file as the first argument of a call. */
function existsAsTest(each: string): boolean {
  const [, file, title] = /^`([\w./-]+)` › (.+)$/.exec(each) ?? []
  if (file === undefined || title === undefined || !existsSync(folder + file)) return false
  const source = readFileSync(folder + file, 'utf8')
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote},`))
}

/** A link to the section on what cannot happen, by the words that its line begins with. */
function cannotHappen(each: string): boolean {
  const [, words] = /^\[(.+)\]\(\.\.\/ARCHITECTURE\.md#cannot-happen-here\)$/.exec(each) ?? []
  const [, section = ''] = readFileSync(`${folder}../ARCHITECTURE.md`, 'utf8').split('\n## Cannot happen here\n')
  return words !== undefined && section.split('\n## ')[0]!.includes(`\n- **${words}`)
}

test('each test that README.md names exists, and what it says cannot happen is explained', () => {
  expect(evidence.length).toBeGreaterThan(100)
  expect(evidence.filter(({ each }) => !existsAsTest(each) && !cannotHappen(each))).toEqual([])
})

test('each promise has its row', () => {
  const numbers = rows.flatMap(([promise]) => /^(\d+)\. /.exec(promise!)?.[1] ?? []).map(Number)
  expect(numbers).toEqual(Array.from({ length: 59 }, (_, at) => at + 1))
})
