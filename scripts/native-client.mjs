/**
 * The native Kafka client, got ready on purpose instead of by npm's install scripts: those download
 * sources of four libraries when no prebuilt binary can be had, and fail without saying what is missing.
 *
 * In this order: a build of ours kept from before, the prebuilt binary of its release, a build from
 * the sources in the package against the system's libraries.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SetUpError, run, say } from './command.mjs'

const packageName = '@confluentinc/kafka-javascript'

const prebuiltTimeoutMs = 30_000

const debianPackages = [
  'build-essential',
  'python3',
  'libssl-dev',
  'zlib1g-dev',
  'libzstd-dev',
  'liblz4-dev',
  'libcurl4-openssl-dev',
  'libsasl2-dev',
]

/** Loaded in a process of its own: a binary for another Node.js can end the process that tries it. */
export function nativeClientLoads(root) {
  return spawnSync(process.execPath, ['-e', `require('${packageName}')`], { cwd: root }).status === 0
}

export async function provideNativeClient(root, { cacheDir, logFile }) {
  const folder = join(root, 'node_modules', packageName)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const kept = join(cacheDir, `kafka-client-${version}-${process.platform}-${process.arch}-${process.versions.modules}`)

  if (existsSync(kept)) {
    cpSync(kept, join(folder, 'build'), { recursive: true, verbatimSymlinks: true })
    if (nativeClientLoads(root)) return say('native Kafka client: taken from an earlier build')
    rmSync(kept, { recursive: true })
  }

  say('native Kafka client: looking for the prebuilt binary')
  const prebuilt = await run('npm', ['run', 'install', '--', '--fallback-to-build=false', '--update-binary'], {
    cwd: folder,
    logFile,
    label: 'downloading the prebuilt binary',
    timeoutMs: prebuiltTimeoutMs,
  })
  if (prebuilt.ok && nativeClientLoads(root)) return say('native Kafka client: prebuilt binary installed')

  await provideLibraries(logFile)
  say('native Kafka client: no prebuilt binary to be had, building from source (about 2 minutes)')
  const built = await run('npm', ['run', 'install', '--', '--build-from-source'], {
    cwd: folder,
    env: buildEnvironment(),
    logFile,
    label: 'building the native Kafka client',
    noise: /^(gyp ERR!|\[error\]|npm |Failed to execute)/,
  })
  if (!built.ok || !nativeClientLoads(root)) {
    throw new SetUpError(
      `The native Kafka client could not be built. The log's end (all of it: ${logFile}):\n\n${built.tail}\n\n` +
        `If libraries are missing, this installs what it needs:\n  ${installCommand(debianPackages)}`,
    )
  }
  keep(join(folder, 'build'), kept)
  say('native Kafka client: built')
}

/** `dynamic` links the system's libraries; the default downloads their sources and builds those as well. */
function buildEnvironment() {
  const prefix = dirname(dirname(process.execPath))
  // Headers that came with this Node.js; without them node-gyp downloads some.
  const headers = existsSync(join(prefix, 'include/node/node.h')) ? { npm_config_nodedir: prefix } : {}
  // One job: its binding starts compiling before librdkafka is configured otherwise. librdkafka itself uses all cores.
  return { ...process.env, ...headers, JOBS: '1', CKJS_LINKING: 'dynamic' }
}

/** Installs the libraries the build needs where this process may; otherwise says how to. */
async function provideLibraries(logFile) {
  if (!commandExists('apt-get')) {
    const absent = ['make', 'c++', 'python3'].filter((name) => !commandExists(name))
    if (absent.length === 0) return
    throw new SetUpError(missingText(absent, installCommand(debianPackages)))
  }
  const absent = debianPackages.filter((name) => !isInstalled(name))
  if (absent.length === 0) return

  const isRoot = process.getuid() === 0
  if (!isRoot && spawnSync('sudo', ['-n', 'true']).status !== 0) {
    throw new SetUpError(missingText(absent, installCommand(absent)))
  }
  say(`installing what the build needs: ${absent.join(' ')}`)
  const prefix = isRoot ? [] : ['sudo', '-n']
  const env = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get']
  const options = { logFile, label: 'installing packages' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...absent]]) {
    const [command, ...rest] = [...prefix, ...env, ...args]
    const { ok, tail } = await run(command, rest, options)
    if (!ok) throw new SetUpError(`${missingText(absent, installCommand(absent))}\n\napt-get said:\n${tail}`)
  }
}

function missingText(absent, command) {
  return (
    `The native Kafka client has to be built from source here, which needs: ${absent.join(', ')}.\n` +
    `Install them, then run this again:\n  ${command}`
  )
}

function installCommand(packages) {
  if (process.platform === 'darwin') {
    return 'xcode-select --install; brew install python openssl@3 zstd lz4 curl cyrus-sasl'
  }
  if (commandExists('apt-get')) return `sudo apt-get update && sudo apt-get install -y ${packages.join(' ')}`
  if (commandExists('dnf')) {
    return 'sudo dnf install -y gcc-c++ make python3 openssl-devel zlib-devel libzstd-devel lz4-devel libcurl-devel cyrus-sasl-devel'
  }
  return 'install a C++20 compiler, make, Python 3 and the development files of OpenSSL, zlib, zstd, lz4, curl and SASL'
}

function isInstalled(name) {
  const { status, stdout } = spawnSync('dpkg-query', ['-W', '-f=${db:Status-Status}', name], { encoding: 'utf8' })
  return status === 0 && stdout === 'installed'
}

function commandExists(name) {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}

/** Keeps the binaries (not the 250 MB of objects) for the next `npm ci`, which empties node_modules. */
function keep(build, kept) {
  for (const [folder, wanted] of [
    ['Release', /\.node$/],
    ['deps', /\.(so|dylib)(\.\d+)*$/],
  ]) {
    mkdirSync(join(kept, folder), { recursive: true })
    for (const file of readdirSync(join(build, folder)).filter((name) => wanted.test(name))) {
      cpSync(join(build, folder, file), join(kept, folder, file), { verbatimSymlinks: true })
    }
  }
}
