#!/usr/bin/env node
/**
 * `npm run try-nodes`: installs the packed package on each Node.js that it promises, strictly, as a stranger does, and runs
 * the stranger's services there. Minutes for each, since the native client may have to be built; `-- 22` tries only that one.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { attempt, besides, findUnfit, nodes, pack, services, writeProject } from './stranger-project.mjs'

/** The lowest to the digit, of the others the newest. */
const [lowest, ...higher] = nodes
const lines = [lowest, ...higher.map((version) => version.split('.')[0])]
const asked = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'troupe-nodes-'))
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})
const packed = pack(folder)
for (const line of asked.length === 0 ? lines : asked) tryNode(line)

function tryNode(line) {
  const startedAt = Date.now()
  const project = join(folder, `node-${line}`)
  mkdirSync(project)
  writeProject(project)
  const env = environmentOf(line)
  const version = execFileSync('node', ['--version'], { env, encoding: 'utf8' }).trim()
  const on = `on Node.js ${version}:`
  const install = ['npm', 'install', '--engine-strict', '--no-audit', '--no-fund', packed, ...besides]
  const compiler = ['npm', 'install', '--no-audit', '--no-fund', '-D', 'typescript', '@types/node']
  const isInstalled = attempt(`${on} it installs with engine-strict`, install, project, env)
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  if (!isInstalled || !attempt(`${on} TypeScript installs`, compiler, project, env)) return
  const checks = [
    ['its types compile', ['npx', 'tsc', '-p', project]],
    ['its command answers', ['npx', 'troupe', '--help']],
    ...services.map((name) => [`${name} handles a record`, ['node', name]]),
  ]
  const failed = checks.filter(([claim, command]) => !attempt(`${on} ${claim}`, command, project, env))
  const unfit = findUnfit(join(project, 'package-lock.json'))
  console.log(`${on} installed in ${seconds} s; ${checks.length - failed.length} of ${checks.length} checks passed`)
  if (unfit.length > 0) console.log(unfit.join('\n'))
}

/** The environment in which `node` is that one, and the native client is built against this system's libraries. */
function environmentOf(line) {
  const script = 'console.log(process.execPath)'
  const args = ['--yes', '--package', `node@${line}`, 'node', '-e', script]
  const node = execFileSync('npx', args, { encoding: 'utf8' }).trim()
  // The package that npm has of Node.js for this system carries its headers; without them node-gyp downloads some.
  const { version } = JSON.parse(readFileSync(join(dirname(dirname(node)), 'package.json'), 'utf8'))
  const home = join(folder, `headers-${line}`)
  mkdirSync(home)
  const platform = `node-${process.platform}-${process.arch}`
  execFileSync('npm', ['install', '--prefix', home, '--no-audit', '--no-fund', `${platform}@${version}`], {
    stdio: 'pipe',
  })
  const prefix = join(home, 'node_modules', platform)
  const path = [join(prefix, 'bin'), process.env.PATH].join(delimiter)
  return { ...process.env, PATH: path, CKJS_LINKING: 'dynamic', npm_config_nodedir: prefix }
}
