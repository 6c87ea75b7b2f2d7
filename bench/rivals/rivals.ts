/**
 * Programs of others that keep state, each small, in its own language: what is needed to run them is fetched once, by
 * Maven and pip. Where Java or Python is missing they are left out, and that is said.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fetchOnce, findJava, findMissingJava } from '../../scripts/java.mjs'
import { findMissingPython, installPython } from '../../scripts/python.mjs'

export type Rival = 'Kafka Streams' | 'Quix Streams' | 'Faust'

/** What there is a program for in the languages of all of them; joins in Java only. */
export type Question = 'count' | 'windows' | 'join'

interface Its {
  readonly missing: () => string | undefined
  readonly prepare: (log: (line: string) => void, question: Question) => Promise<Command>
}

const javaClasses: Readonly<Record<Question, string>> = {
  count: 'CountByKey.java',
  windows: 'WindowsByKey.java',
  join: 'JoinByKey.java',
}

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]]

export interface Rivals {
  readonly commands: ReadonlyMap<Rival, Command>
  /** Why some are missing. */
  readonly remarks: readonly string[]
}

const here = fileURLToPath(new URL('.', import.meta.url))
const streams = 'kafka-streams-4.1.1'

/** What is missing here, if anything, and how to get the command. */
const all: Readonly<Record<Rival, Its>> = {
  'Kafka Streams': {
    missing: () => findMissingJava({ program: 'Kafka Streams', oldestJava: 17, folder: streams }),
    async prepare(log, question) {
      const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
      const what = {
        name: streams,
        title: 'Kafka Streams 4.1.1',
        size: '90 MB',
        goal: (folder: string) => [
          ...['-f', join(here, 'kafka-streams.pom.xml'), plugin],
          `-DoutputDirectory=${join(folder, 'lib')}`,
        ],
      }
      const folder = await fetchOnce(what, log)
      const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
      const program = join(here, javaClasses[question])
      return [findJava()!.command, '-Xmx1g', quiet, '-cp', join(folder, 'lib', '*'), program]
    },
  },
  'Quix Streams': inPython('quix', 'Quix Streams', '131 MB'),
  Faust: inPython('faust', 'Faust', '64 MB'),
}

function inPython(name: string, title: string, size: string): Its {
  const program = { name, title, size, requirements: join(here, `${name}.txt`) }
  return {
    missing: () => findMissingPython(program),
    prepare: async (log, question) => [await installPython(program, log), join(here, `${name}_${question}.py`)],
  }
}

export async function prepareRivals(
  log: (line: string) => void,
  question: Question,
  wanted: readonly Rival[] = ['Kafka Streams', 'Quix Streams', 'Faust'],
): Promise<Rivals> {
  const commands = new Map<Rival, Command>()
  const remarks: string[] = []
  for (const name of wanted) {
    const { missing, prepare } = all[name]
    const absent = missing()
    if (absent === undefined) commands.set(name, await prepare(log, question))
    else remarks.push(`Left out: ${name}: ${absent}`)
  }
  for (const remark of remarks) log(remark)
  return { commands, remarks }
}
