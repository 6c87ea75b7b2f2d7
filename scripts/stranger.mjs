#!/usr/bin/env node
/**
 * Uses the packed package as somebody else would: a project of its own with nothing of the
 * repository in reach but Troupe's declared dependencies. Its types compile, its program runs on a
 * worker thread where neither the native Kafka client nor a database driver can be found, its
 * command answers.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const neverOnThreads = ['@confluentinc/kafka-javascript', 'pg', 'prom-client', 'hono', '@hono/node-server']

const folder = mkdtempSync(join(tmpdir(), 'troupe-stranger-'))
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})
const modules = join(folder, 'node_modules')

unpack()
const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
for (const name of [...dependencies, '@types/node']) link(name)
writeProject()

attempt('its types compile', ['node', join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])
attempt('its command answers', ['node', join(modules, 'troupe', manifest.bin.troupe), '--help'])
for (const name of neverOnThreads) rmSync(join(modules, name), { recursive: true, force: true })
attempt('its program runs on a thread', ['node', join(folder, 'thread.js')])

/** Extracted, not linked: what the package imports is looked for in the stranger's project. */
function unpack() {
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], options),
  )
  const target = join(modules, 'troupe')
  mkdirSync(target, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, packed.filename), '--strip-components=1', '-C', target])
}

function link(name) {
  const target = join(modules, name)
  mkdirSync(dirname(target), { recursive: true })
  symlinkSync(join(root, 'node_modules', name), target)
}

function writeProject() {
  for (const file of ['program.ts', 'app.ts']) cpSync(join(root, 'test/package', file), join(folder, file))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'stranger', type: 'module' }))
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    // Troupe's own types have to hold where nobody skips them.
    skipLibCheck: false,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts', 'app.ts'] }))
  // An error on the thread is emitted here, and ends the process with 1.
  const thread = `import { Worker } from 'node:worker_threads'\nnew Worker(new URL('./program.js', import.meta.url))\n`
  writeFileSync(join(folder, 'thread.js'), thread)
}

function attempt(claim, [command, ...args]) {
  try {
    execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    console.error(`NOT TRUE: ${claim}\n${error.stdout}${error.stderr}`)
    process.exitCode = 1
  }
}
