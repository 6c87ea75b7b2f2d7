#!/usr/bin/env node
/**
 * What a fresh clone needs before anything runs: the dependencies, the native Kafka client, the
 * build. Where nothing is missing it does nothing, quickly. Everything it says goes to stderr.
 *
 * Plain Node.js without dependencies, because it runs before there are any.
 */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SetUpError, run, say } from './command.mjs'
import { withLock } from './lock.mjs'
import { nativeClientLoads, provideNativeClient } from './native-client.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const cacheDir = join(root, '.cache')
const logFile = join(cacheDir, 'set-up.log')
const buildStamp = join(cacheDir, 'build.stamp')

const steps = [
  { isDone: dependenciesAreInstalled, run: installDependencies },
  { isDone: () => nativeClientLoads(root), run: () => provideNativeClient(root, { cacheDir, logFile }) },
  { isDone: buildIsFresh, run: build },
]

/** Returns when everything is there. Otherwise says on stderr what is missing, and ends the process with 1. */
export async function setUp() {
  try {
    requireNode()
    if (steps.every((step) => step.isDone())) return
    const onWait = (pid) => {
      say(`waiting for another set-up${pid === undefined ? '' : ` (process ${pid})`}`)
    }
    await withLock(join(cacheDir, 'set-up.lock'), onWait, async () => {
      for (const step of steps) if (!step.isDone()) await step.run()
    })
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error
    process.stderr.write(`\nset-up failed. ${error.message}\n`)
    process.exit(1)
  }
}

function requireNode() {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(readJson('package.json').engines.node).map(Number)
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return
  throw new SetUpError(
    `Troupe needs Node.js ${major}.${minor} or newer; this is ${process.versions.node} (${process.execPath}).`,
  )
}

// --- dependencies

/**
 * Compares what npm noted when it installed with the lockfile, package by package. Times would not
 * do: a checkout touches the lockfile, and an install for nothing costs the native build too.
 */
function dependenciesAreInstalled() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false
  const wanted = Object.entries(readJson('package-lock.json').packages).filter(([path]) => path !== '')
  const installed = readJson('node_modules/.package-lock.json').packages
  return wanted.every(([path, { version, integrity, optional }]) => {
    const found = installed[path]
    // Absent because it is for another platform; whether one for ours is missing shows where it is used.
    if (found === undefined) return optional === true
    return found.version === version && found.integrity === integrity
  })
}

async function installDependencies() {
  say('installing the dependencies')
  const options = { cwd: root, logFile, label: 'installing the dependencies' }
  // Without install scripts. The one that matters is the native client's, and that is the next step; esbuild's only
  // saves start-up time, and embedded PostgreSQL's links are made where it is started.
  const { ok, tail } = await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], options)
  if (!ok) throw new SetUpError(`npm ci failed. The log's end (all of it: ${logFile}):\n\n${tail}`)
}

// --- build

function buildIsFresh() {
  const isComplete = sourceFiles().every((file) => existsSync(join(root, 'dist', file.replace(/\.ts$/, '.js'))))
  return isComplete && existsSync(buildStamp) && readFileSync(buildStamp, 'utf8') === sourceState()
}

async function build() {
  say('building')
  const state = sourceState()
  const options = { cwd: root, logFile, label: 'building' }
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { ok, tail } = await run(process.execPath, [tsc, '-p', 'tsconfig.build.json'], options)
  if (!ok) throw new SetUpError(`The build failed:\n\n${tail}`)
  removeOrphans()
  const cli = join(root, 'dist/supervisor/cli/cli.js')
  if (existsSync(cli)) chmodSync(cli, 0o755)
  mkdirSync(cacheDir, { recursive: true })
  writeFileSync(buildStamp, state)
}

/** What a deleted source left behind would still be imported, and packed. */
function removeOrphans() {
  const sources = new Set(sourceFiles().map((file) => file.replace(/\.ts$/, '')))
  for (const file of readdirSync(join(root, 'dist'), { recursive: true })) {
    const source = file.replace(/\.(js|js\.map|d\.ts)$/, '')
    if (source !== file && !sources.has(source)) rmSync(join(root, 'dist', file))
  }
}

/** Changes whenever a source or a compiler option does. */
function sourceState() {
  const files = [...sourceFiles().map((file) => join('src', file)), 'tsconfig.json', 'tsconfig.build.json']
  const hash = createHash('sha256')
  for (const file of files.sort()) {
    const { mtimeMs, size } = statSync(join(root, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

function sourceFiles() {
  return readdirSync(join(root, 'src'), { recursive: true }).filter((file) => file.endsWith('.ts'))
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setUp()
