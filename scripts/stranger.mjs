#!/usr/bin/env node
/**
 * Uses the packed package as somebody else would: a project of its own with nothing of the
 * repository in reach but Troupe's declared dependencies. Its types compile, its services run, its
 * program runs on a worker thread where neither the native Kafka client nor a database driver can be
 * found, its command answers; and what npm would install with it today runs on each Node.js that it
 * promises. `npm run try-nodes` installs and runs it there.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { attempt, besides, findUnfit, manifest, pack, root, services, writeProject } from './stranger-project.mjs'

const neverOnThreads = ['@confluentinc/kafka-javascript', 'pg', 'prom-client', 'hono', '@hono/node-server']

const folder = mkdtempSync(join(tmpdir(), 'troupe-stranger-'))
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})
const modules = join(folder, 'node_modules')

const packed = pack(folder)
unpack()
const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
for (const name of [...dependencies, '@types/node']) link(name)
writeProject(folder)

const node = process.execPath
attempt('its types compile', [node, join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], folder)
attempt('its command answers', [node, join(modules, 'troupe', manifest.bin.troupe), '--help'], folder)
for (const name of services) attempt(`${name} handles a record`, [node, join(folder, name)], folder)
for (const name of neverOnThreads) rmSync(join(modules, name), { recursive: true, force: true })
attempt('its program runs on a thread', [node, join(folder, 'thread.js')], folder)
lookAtFreshInstall()

/** Extracted, not linked: what the package imports is looked for in the stranger's project. */
function unpack() {
  const target = join(modules, 'troupe')
  mkdirSync(target, { recursive: true })
  execFileSync('tar', ['-xzf', packed, '--strip-components=1', '-C', target])
}

function link(name) {
  const target = join(modules, name)
  mkdirSync(dirname(target), { recursive: true })
  symlinkSync(join(root, 'node_modules', name), target)
}

/** Without our lock file and our overrides: those stay here. Asks the registry what there is, and installs nothing. */
function lookAtFreshInstall() {
  const fresh = join(folder, 'fresh')
  mkdirSync(fresh)
  writeFileSync(join(fresh, 'package.json'), '{}')
  const args = ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund', packed, ...besides]
  if (!attempt('npm resolves it', ['npm', ...args], fresh)) return
  const unfit = findUnfit(join(fresh, 'package-lock.json'))
  if (unfit.length === 0) return
  console.error(`NOT TRUE: all it installs runs on the Node.js that it promises\n${unfit.join('\n')}`)
  process.exitCode = 1
}
