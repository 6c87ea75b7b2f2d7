// A real schema registry for tests: Apicurio's, a server that knows nothing of us and has Confluent's REST API. In memory, on
// a free loopback port, gone with this process however it ends.
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { fetchOnce, findJava, findMissingJava, lastLines } from './java.mjs'
import { makeOwnedFolder, notePid, removeFolder, startGuard, sweepLeftovers } from './kafka/leftovers.mjs'

const pom = join(dirname(fileURLToPath(import.meta.url)), 'registry', 'pom.xml')
const folderPrefix = 'troupe-registry'
const startTimeoutMs = 90_000

/** @typedef {import('./schema-registry.d.mts').SchemaRegistryProcess} SchemaRegistryProcess */

/** 2.6 is the last line that runs on Java 17. */
function chooseVersion() {
  return (findJava()?.major ?? 0) >= 21 ? '3.3.3' : '2.6.13.Final'
}

function folderName() {
  return `apicurio-registry-${chooseVersion()}`
}

/** @returns {string | undefined} */
export function findMissingForRegistry() {
  return findMissingJava({ program: 'the schema registry', oldestJava: 17, folder: folderName() })
}

/**
 * @param {(line: string) => void} [log]
 * @returns {Promise<SchemaRegistryProcess>}
 */
export async function startSchemaRegistry(log = () => {}) {
  const missing = findMissingForRegistry()
  const java = findJava()
  if (missing !== undefined || java === undefined) throw new Error(missing ?? 'Java is missing')
  const version = chooseVersion()
  const goal = (/** @type {string} */ folder) => [
    ...['-f', pom, 'process-resources'],
    ...[`-Dapicurio.version=${version}`, `-Dregistry.folder=${folder}`],
  ]
  const title = `Apicurio Registry ${version}`
  const installed = await fetchOnce({ name: folderName(), title, size: '142 MB', goal }, log)
  for (const folder of sweepLeftovers(folderPrefix)) log(`removed what a killed run had left: ${folder}`)
  const folder = makeOwnedFolder(folderPrefix)
  const guard = startGuard(folder)
  const child = spawnRegistry(java.command, installed, folder)
  const ended = new Promise((resolve) => {
    child.once('error', resolve)
    child.once('exit', resolve)
  })
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
    removeFolder(folder)
    guard.release()
  }
  try {
    const url = await waitUntilItAnswers(child, folder)
    return {
      url,
      pid: child.pid,
      pause: () => void child.kill('SIGSTOP'),
      resume: () => void child.kill('SIGCONT'),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * @param {string} java
 * @param {string} installed
 * @param {string} folder
 */
function spawnRegistry(java, installed, folder) {
  const jars = ['quarkus-run.jar', `apicurio-registry-app-${chooseVersion()}-runner.jar`].map((name) =>
    join(installed, name),
  )
  const jar = jars.find((path) => existsSync(path)) ?? jars[0]
  const quickStart = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-XX:-UsePerfData']
  const logFile = openSync(join(folder, 'log'), 'a')
  // In a session of its own, Ctrl-C in a terminal reaches only us. The folder in its command line is how it is recognised.
  const child = spawn(java, [...quickStart, `-Djava.io.tmpdir=${folder}`, '-jar', String(jar)], {
    stdio: ['ignore', logFile, logFile],
    detached: true,
    cwd: folder,
    env: {
      ...process.env,
      QUARKUS_HTTP_HOST: '127.0.0.1',
      QUARKUS_HTTP_PORT: '0',
      QUARKUS_MANAGEMENT_HOST: '127.0.0.1',
      QUARKUS_MANAGEMENT_PORT: '0',
      QUARKUS_OTEL_SDK_DISABLED: 'true',
    },
  })
  closeSync(logFile)
  child.unref()
  if (child.pid !== undefined) notePid(folder, 'registry', child.pid)
  return child
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} folder
 */
async function waitUntilItAnswers(child, folder) {
  const deadline = Date.now() + startTimeoutMs
  for (;;) {
    const text = readFileSync(join(folder, 'log'), 'utf8')
    const address = /Listening on: (http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1]
    if (address !== undefined && (await takesLevel(`${address}/apis/ccompat/v7`))) return `${address}/apis/ccompat/v7`
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined || Date.now() > deadline) {
      throw new Error(`the schema registry did not start. The end of its log:\n${lastLines(text, 25)}`)
    }
    await sleep(50)
  }
}

/**
 * Its own first level is NONE.
 * @param {string} url
 */
async function takesLevel(url) {
  try {
    const body = JSON.stringify({ compatibility: 'BACKWARD' })
    const headers = { 'content-type': 'application/json' }
    return (await fetch(`${url}/config`, { method: 'PUT', headers, body })).ok
  } catch {
    return false
  }
}
