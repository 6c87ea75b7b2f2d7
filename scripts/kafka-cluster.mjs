// Real Apache Kafka (KRaft) without Docker, for tests, benchmarks and `npm run kafka`: one or three brokers on free
// loopback ports, in a temporary folder that is removed at the end, however this process ends.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Broker, BrokerStartError, logOptions } from './kafka/broker.mjs'
import { makeCertificates } from './kafka/certificates.mjs'
import { isWritable } from './cache.mjs'
import { lastLines } from './java.mjs'
import { KafkaMissingError, dockerIsUsable, findWhatIsMissing, prepareKafka } from './kafka/installation.mjs'
import { makeOwnedFolder, notePid, removeFolder, startGuard, sweepLeftovers } from './kafka/leftovers.mjs'
import { choosePlaces } from './kafka/ports.mjs'
import { formatProperties, makeBrokerSettings } from './kafka/settings.mjs'

export { KafkaMissingError, dockerIsUsable, findWhatIsMissing }

/**
 * @typedef {import('./kafka-cluster.d.mts').KafkaOptions} KafkaOptions
 * @typedef {import('./kafka-cluster.d.mts').KafkaCluster} KafkaCluster
 * @typedef {import('./kafka/settings.mjs').BrokerPlace} BrokerPlace
 * @typedef {import('./kafka/broker.mjs').Java} Java
 */

const folderPrefix = 'troupe-kafka'
const run = promisify(execFile)

/**
 * Starts a cluster and resolves when every broker answers and knows all others.
 * @param {KafkaOptions} [options]
 * @returns {Promise<KafkaCluster>}
 */
export async function startKafka(options = {}) {
  const log = options.log ?? (() => {})
  const { java, classPath, archive } = await prepareKafka(log)
  for (const folder of sweepLeftovers(folderPrefix)) log(`removed what a killed run had left: ${folder}`)
  await makeClassArchive(java, classPath, archive, log)

  const quickStart = [
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    `-XX:SharedArchiveFile=${archive}`,
    '-Xlog:cds=off',
  ]
  const heap = `-Xmx${options.heapMb ?? 512}m`
  const jvm = { command: java, classPath, options: [heap, ...quickStart, ...(options.javaOptions ?? [])] }
  // A port found free may be taken by somebody else before the broker binds it.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startCluster(jvm, options, log)
    } catch (error) {
      const portTaken =
        error instanceof BrokerStartError && /Address already in use|BindException/.test(error.brokerLog)
      if (!portTaken || options.port !== undefined || attempt === 3) throw error
      log('a port was taken meanwhile: trying others')
    }
  }
}

/**
 * @param {Java} java
 * @param {KafkaOptions} options
 * @param {(line: string) => void} log
 * @returns {Promise<KafkaCluster>}
 */
async function startCluster(java, options, log) {
  const folder = makeOwnedFolder(folderPrefix)
  /** @type {Broker[]} */
  const brokers = []
  const guard = startGuard(folder)
  try {
    const places = await choosePlaces(options.brokers ?? 1, options.port, folder)
    const client = makeClientSide(options, folder)
    const doors = await Promise.all(places.map((place) => options.advertise?.(place) ?? place.port))
    for (const [index, place] of places.entries()) {
      mkdirSync(place.folder)
      const settings = { ...makeBrokerSettings(place, places, client, doors[index]), ...options.properties }
      writeFileSync(join(place.folder, 'server.properties'), formatProperties(settings))
    }
    await formatStorage(java, places, folder, options)
    for (const place of places) brokers.push(new Broker(java, place, folder, log))
    await Promise.all(brokers.map((broker) => broker.start()))
    await Promise.all(brokers.map((broker) => broker.waitUntilItKnows(brokers.length)))
    return {
      bootstrapServers: places.map((place, index) => `${place.host}:${doors[index]}`).join(','),
      internalServers: places.map((place) => `${place.host}:${place.internalPort}`).join(','),
      brokers,
      folder,
      caFile: client.caFile,
      wrongCaFile: client.wrongCaFile,
      async stop() {
        // The data goes with the folder: there is nothing to be shut down in order.
        await Promise.all(brokers.map((broker) => broker.kill()))
        removeFolder(folder)
        guard.release()
      },
    }
  } catch (error) {
    await Promise.all(brokers.map((broker) => broker.kill()))
    removeFolder(folder)
    guard.release()
    throw error
  }
}

/**
 * @param {Java} java
 * @param {readonly BrokerPlace[]} places
 * @param {string} folder
 * @param {KafkaOptions} options
 */
async function formatStorage(java, places, folder, options) {
  // A cluster id must not begin with a dash: the tool would take it for an option.
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A')
  const users = (options.sasl ?? []).flatMap(({ username, password }) => [
    '--add-scram',
    `SCRAM-SHA-512=[name=${username},password=${password}]`,
  ])
  const formats = places.map(async (place) => {
    const args = ['format', '-t', clusterId, '-c', join(place.folder, 'server.properties'), ...users]
    const tool = [...java.options, ...logOptions, '-cp', java.classPath, 'kafka.tools.StorageTool']
    const formatting = run(java.command, [...tool, ...args])
    // Were we killed now, it would go on writing into a folder that is being removed.
    if (formatting.child.pid !== undefined) notePid(folder, `format-${place.id}`, formatting.child.pid)
    return await formatting
  })
  try {
    await Promise.all(formats)
  } catch (error) {
    await Promise.allSettled(formats)
    const { stdout, stderr } = /** @type {{ stdout?: string, stderr?: string }} */ (error)
    throw new Error(
      `Kafka could not format its storage:\n${lastLines(`${stderr ?? ''}${stdout ?? String(error)}`, 12)}`,
    )
  }
}

/**
 * @param {KafkaOptions} options
 * @param {string} folder
 */
function makeClientSide(options, folder) {
  /** @type {Record<string, string>} */
  const extra = {}
  /** @type {string | undefined} */
  let caFile
  /** @type {string | undefined} */
  let wrongCaFile
  if (options.tls === true) {
    const files = makeCertificates(folder)
    caFile = files.caFile
    wrongCaFile = files.wrongCaFile
    extra['listener.name.client.ssl.keystore.type'] = 'PEM'
    extra['listener.name.client.ssl.keystore.location'] = files.brokerFile
  }
  if (options.sasl !== undefined) {
    extra['listener.name.client.sasl.enabled.mechanisms'] = 'SCRAM-SHA-512'
    extra['listener.name.client.scram-sha-512.sasl.jaas.config'] =
      'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  }
  const encryption = options.tls === true ? 'SSL' : 'PLAINTEXT'
  const protocol = options.sasl === undefined ? encryption : `SASL_${encryption}`
  return { protocol, extra, caFile, wrongCaFile }
}

/**
 * Lets one broker record the classes it loads: with that archive brokers start in less than half the time.
 * @param {string} java
 * @param {string} classPath
 * @param {string} archive
 * @param {(line: string) => void} log
 */
async function makeClassArchive(java, classPath, archive, log) {
  const impossible = `${archive}.impossible`
  if (existsSync(archive) || existsSync(impossible) || !isWritable(dirname(archive))) return
  log('preparing quicker starts (once)')
  const fresh = `${archive}.${process.pid}`
  try {
    const options = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-XX:ArchiveClassesAtExit=${fresh}`]
    const cluster = await startCluster({ command: java, classPath, options }, {}, log)
    await cluster.brokers[0]?.stop()
    await cluster.stop()
    if (existsSync(fresh)) {
      renameSync(fresh, archive)
    } else {
      writeFileSync(impossible, '')
      log('this Java keeps no class archive: brokers will start more slowly')
    }
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}
