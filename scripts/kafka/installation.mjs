// Java and the Kafka jars, fetched once.
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandWorks, fetchOnce, findJava, findMissingJava } from '../java.mjs'

const kafkaVersion = '4.1.1'
const folderName = `kafka-${kafkaVersion}`
const here = dirname(fileURLToPath(import.meta.url))

export class KafkaMissingError extends Error {
  /**
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(message, options) {
    super(message, options)
    this.name = 'KafkaMissingError'
  }
}

/**
 * What keeps us from starting Kafka on this machine; undefined when nothing does.
 * @returns {string | undefined}
 */
export function findWhatIsMissing() {
  return findMissingJava({ program: 'Kafka', oldestJava: 17, folder: folderName })
}

/** Whether a Docker engine answers (the command alone says nothing). */
export function dockerIsUsable() {
  return commandWorks('docker', ['version', '--format', '{{.Server.Version}}'])
}

/**
 * Java and the Kafka jars, fetched when they are not there yet.
 * @param {(line: string) => void} log
 * @returns {Promise<{ java: string, classPath: string, archive: string }>}
 */
export async function prepareKafka(log) {
  const missing = findWhatIsMissing()
  const java = findJava()
  if (missing !== undefined || java === undefined) throw new KafkaMissingError(missing ?? 'Java is missing')
  const folder = await fetchJars(log)
  // A class archive fits one Java only.
  const archive = join(folder, `classes-${java.major}-${hashOf(java.version)}.jsa`)
  return { java: java.command, classPath: join(folder, 'lib', '*'), archive }
}

/**
 * @param {(line: string) => void} log
 * @returns {Promise<string>}
 */
async function fetchJars(log) {
  const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
  try {
    return await fetchOnce(
      {
        name: folderName,
        title: `Apache Kafka ${kafkaVersion}`,
        size: '54 MB',
        goal: (folder) => ['-f', join(here, 'pom.xml'), plugin, `-DoutputDirectory=${join(folder, 'lib')}`],
      },
      log,
    )
  } catch (error) {
    throw new KafkaMissingError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** @param {string} text */
function hashOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
