/** Modules as compilers, package managers and file systems make them, loaded by Node.js itself as a user's process does. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { loadHandler } from '../../src/actors/handlers/handler-module.ts'
import { loadAppWithOptions } from '../../src/supervisor/cli/app-module.ts'

const folder = mkdtempSync(join(tmpdir(), 'troupe-modules-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** Each in a folder of its own, since Node.js reads a package.json only once. */
let count = 0
function write(files: Readonly<Record<string, string>>): string {
  const own = join(folder, String(count++))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(own, name)), { recursive: true })
    writeFileSync(join(own, name), text)
  }
  return own
}

function load(path: string): Promise<unknown> {
  return loadHandler(pathToFileURL(path).href)
}

const handler = `{ kind: 'handler', input: { kind: 'topic', name: 'orders' }, handle: () => undefined }`
const app = `{ kind: 'app', definition: { kafka: { brokers: 'localhost:1', groupId: 'g' }, actors: [{ handler: ${handler} }] } }`
const esModule = `export default ${handler}`
const typed = `const made: object = ${handler}\nexport default made`
/** What tsc and esbuild make of \`export default\` for CommonJS. */
const compiled = (value: string): string =>
  `Object.defineProperty(exports, '__esModule', { value: true })\nexports.default = ${value}`

const commonJs = '{ "type": "commonjs" }'

describe('a handler module', () => {
  test.each([
    ['compiled to CommonJS', 'handler.js', { 'package.json': commonJs, 'handler.js': compiled(handler) }],
    [
      'compiled to CommonJS, in a package that does not say which it is',
      'a.js',
      { 'package.json': '{}', 'a.js': compiled(handler) },
    ],
    [
      'compiled to .cjs in a package of ES modules',
      'a.cjs',
      { 'package.json': '{ "type": "module" }', 'a.cjs': compiled(handler) },
    ],
    ['in TypeScript, in a package of CommonJS', 'a.ts', { 'package.json': commonJs, 'a.ts': typed }],
    ['in TypeScript, in a package that does not say which it is', 'a.ts', { 'package.json': '{}', 'a.ts': typed }],
    ['in TypeScript that says it is CommonJS', 'a.cts', { 'package.json': '{ "type": "module" }', 'a.cts': typed }],
    ['meant as .cjs, with its .cts beside', 'a.cjs', { 'package.json': '{}', 'a.cts': typed }],
  ])('%s is loaded', async (_, name, files) => {
    expect(await load(join(write(files), name))).toMatchObject({ kind: 'handler' })
  })

  test.each([
    ['written for CommonJS', 'a.cjs', { 'a.cjs': `module.exports = ${handler}` }],
    ['that says it is an ES module', 'a.mjs', { 'package.json': commonJs, 'a.mjs': esModule }],
    [
      'in a path with blanks, #, % and letters of other alphabets',
      'a b/#1/%25/ü/a.mjs',
      { 'a b/#1/%25/ü/a.mjs': esModule },
    ],
  ])('%s is loaded', async (_, name, files) => {
    expect(await load(join(write(files), name))).toMatchObject({ kind: 'handler' })
  })

  test('behind symbolic links, as pnpm and workspaces have it, is loaded, and finds what stands beside its real file', async () => {
    const own = write({
      'store/orders@1/node_modules/orders/handler.mjs': `import made from 'made'\nexport default made`,
      'store/orders@1/node_modules/made/index.js': `module.exports = ${handler}`,
      'store/orders@1/node_modules/made/package.json': '{ "name": "made", "main": "index.js" }',
    })
    symlinkSync('store/orders@1/node_modules/orders', join(own, 'orders'))
    expect(await load(join(own, 'orders/handler.mjs'))).toMatchObject({ kind: 'handler' })
  })
})

describe('an app', () => {
  test('compiled to CommonJS is loaded', async () => {
    const own = write({ 'package.json': commonJs, 'app.js': compiled(app) })
    const { options } = await loadAppWithOptions(join(own, 'app.js'), {}, {})
    expect(options.kafka.groupId).toBe('g')
  })
})
