/** Reads what is committed with Kafka's own client, the Java one. Its program is run from source, as JDK 17 can. */
import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findWhatIsMissing, prepareKafka } from '../../scripts/kafka/installation.mjs'
import type { CommittedOffset } from './kafka-probe.ts'

const program = fileURLToPath(new URL('committed-offsets.java', import.meta.url))
const run = promisify(execFile)

/** Why it cannot run here; undefined when it can. Some Java runtimes come without the compiler's module. */
export async function findWhatJavaLacks(): Promise<string | undefined> {
  const missing = findWhatIsMissing()
  if (missing !== undefined) return missing
  const { java } = await prepareKafka(() => undefined)
  const modules = execFileSync(java, ['--list-modules'], { encoding: 'utf8' })
  return modules.includes('jdk.compiler')
    ? undefined
    : 'this Java has no compiler (Debian: openjdk-17-jre-headless has)'
}

/** What the group has committed of a topic, by partition. */
export async function committedAsJavaReads(
  bootstrapServers: string,
  group: string,
  topic: string,
): Promise<CommittedOffset[]> {
  const { java, classPath } = await prepareKafka(() => undefined)
  const options = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath]
  const { stdout } = await run(java, [...options, program, bootstrapServers, group], { maxBuffer: 256 << 20 })
  return stdout
    .split('\n')
    .filter((line) => line.startsWith(`${topic}\t`))
    .map((line) => {
      const [, partition, position, hex] = line.split('\t')
      const metadata = Buffer.from(hex!, 'hex').swap16().toString('utf16le')
      return { partition: Number(partition), position: Number(position), metadata }
    })
    .sort((a, b) => a.partition - b.partition)
}
