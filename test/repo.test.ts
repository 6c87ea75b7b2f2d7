/** What the repository promises about itself, as tests: names, sizes, leftovers, documents that agree with the code. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { satisfies } from 'semver'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const maxSourceLines = 600

const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(root, file)))
const code = tracked.filter((file) => /^(src|test|examples|bench|scripts)\/.*\.(ts|mts|mjs|js)$/.test(file))
const sources = code.filter((file) => file.startsWith('src/'))
const documents = tracked.filter((file) => file.endsWith('.md'))

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** `file:line text` of every line in which the pattern is found. */
function find(pattern: RegExp, files: readonly string[]): string[] {
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1} ${line.trim().slice(0, 120)}`] : [])),
  )
}

/** The text of a document without its code blocks, in which `#` begins a comment and a link is none. */
function prose(file: string): string {
  return read(file).replaceAll(/^ *(```+|~~~+)[^]*?^ *\1/gm, '')
}

/** Written so that this file does not contain the word it looks for. */
function word(...letters: string[]): string {
  return letters.join('')
}

describe('files', () => {
  test('are found at all', () => {
    expect(sources.length).toBeGreaterThan(10)
    expect(code.length).toBeGreaterThan(sources.length)
  })

  test('are named for what they are, not drawers for what is left over', () => {
    const drawers = /^(utils?|helpers?|misc|common|shared|lib|types|constants|interfaces|managers?)\./
    expect(code.filter((file) => drawers.test(basename(file)))).toEqual([])
  })

  test('have names in kebab-case', () => {
    const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+(-d)?)*\.(ts|mts|mjs|js)$/
    expect(code.filter((file) => !kebabCase.test(basename(file)))).toEqual([])
  })

  test(`in src have at most ${maxSourceLines} lines`, () => {
    const lengths = sources.map((file) => ({ file, lines: read(file).split('\n').length }))
    expect(lengths.filter(({ lines }) => lines > maxSourceLines)).toEqual([])
  })

  test('hold no note to do something later', () => {
    const markers = [word('TO', 'DO'), word('FIX', 'ME'), word('X', 'XX'), word('HA', 'CK')]
    const files = [...code, ...documents, ...tracked.filter((file) => /\.(ya?ml|json|cjs|sh)$/.test(file))]
    expect(find(new RegExp(`\\b(${markers.join('|')})\\b`), files)).toEqual([])
  })

  test('name no machine and no registry', () => {
    const places = [
      '/work' + '/',
      '/tmp/' + 'bash',
      'registry' + '.npmjs',
      'registry' + '.yarnpkg',
      'repo' + '.maven',
      'pypi' + '.org',
    ]
    const pattern = new RegExp(places.map((place) => place.replaceAll('.', '\\.')).join('|'))
    expect(
      find(
        pattern,
        tracked.filter((file) => file !== 'LICENSE'),
      ),
    ).toEqual([])
  })

  test('lock the dependencies without saying where they came from', () => {
    expect(find(/"resolved":/, ['package-lock.json'])).toEqual([])
  })

  test('in test run as a whole: no test is singled out', () => {
    expect(find(/\b(describe|test|it)(\.\w+)*\.only\b/, code)).toEqual([])
  })
})

describe('the native Kafka client', () => {
  test('is named in code by one file, and by the embedded broker', () => {
    const naming = sources.filter((file) => /['"`]@confluentinc\//.test(read(file)))
    const allowed = /^src\/(streams\/kafka\/native\.ts|embedded\/.+)$/
    expect(naming).not.toEqual([])
    expect(naming.filter((file) => !allowed.test(file))).toEqual([])
  })
})

describe('the package', () => {
  const manifest = JSON.parse(read('package.json')) as { engines: { node: string }; overrides?: object }
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }
  const installed = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)
  const lowest = manifest.engines.node.replace('>=', '')

  test('needs no overrides: they do not travel with it, so whoever installs it gets something else', () => {
    expect(manifest).not.toHaveProperty('overrides')
  })

  test.each([`${lowest}.0`, '22.12.0', '24.0.0'])('depends on nothing that does not run on Node.js %s', (version) => {
    const wrong = installed.filter(([, { engines }]) => !satisfies(version, engines?.node ?? '*'))
    expect(wrong.map(([path, { engines }]) => `${path} wants ${engines?.node}`)).toEqual([])
  })
})

interface LockedPackage {
  readonly dev?: boolean
  readonly engines?: { readonly node?: string }
}

describe('documents', () => {
  test.each(['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md'])('%s has one title', (file) => {
    expect(prose(file).match(/^# .+$/gm) ?? []).toHaveLength(1)
  })

  test('link only to files and headings that exist', () => {
    const dead = documents.flatMap((file) =>
      [...prose(file).matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)]
        .map((match) => match[1]!)
        .filter((target) => !linkLeadsSomewhere(file, target))
        .map((target) => `${file} → ${target}`),
    )
    expect(dead).toEqual([])
  })

  test('the newest entry of CHANGELOG.md is the version of package.json', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string }
    const [, newest] = /^## \[?v?(\d+\.\d+\.\d+[^\]\s]*)/m.exec(prose('CHANGELOG.md')) ?? []
    expect(newest).toBe(version)
  })
})

function linkLeadsSomewhere(from: string, target: string): boolean {
  const [path, heading] = target.split('#') as [string, string | undefined]
  const file = path === '' ? from : join(dirname(from), decodeURIComponent(path))
  if (!existsSync(join(root, file))) return false
  return heading === undefined || !file.endsWith('.md') || headingsOf(file).has(heading)
}

/** The anchors that GitHub gives the headings of a document. */
function headingsOf(file: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, title] of prose(file).matchAll(/^#+ +(.+)$/gm)) {
    const anchor = title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-')
    let unique = anchor
    for (let repeat = 1; anchors.has(unique); repeat++) unique = `${anchor}-${repeat}`
    anchors.add(unique)
  }
  return anchors
}
