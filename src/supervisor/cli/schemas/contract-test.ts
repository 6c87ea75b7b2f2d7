/** `troupe schemas check`: each schema against its samples, and against what was there before it. */
import { readFile, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { TroupeError } from '../../../errors.ts'
import { InvalidSchema } from '../../../schemas/avro-schema.ts'
import { checkLevel, describeBreach, type CompatibilityLevel, type OldVersion } from '../../../schemas/compatibility.ts'
import { judgeBad, judgeGood } from '../../../schemas/sample.ts'
import { unseenLogicalTypes } from '../../../schemas/unseen-logical-types.ts'
import type { ReadSchema } from '../../../schemas/schema-set.ts'
import { boundCodec } from './avro-codec.ts'
import { SCHEMA_ENDING, describeProblems, findSchemas } from './schema-folder.ts'

/** What was there before, wherever that is kept. */
export interface Baseline {
  /** For people: `git:main (1ae2e26)`. */
  readonly name: string
  /** The oldest first; only the latest where `all` is false. Empty: the schema is new. A text: why it is not compared. */
  versionsOf(schema: ReadSchema, all: boolean): Promise<readonly NamedVersion[] | string>
}

export interface NamedVersion extends OldVersion {
  readonly name: string
}

export interface ContractTest {
  readonly paths: readonly string[]
  readonly level: CompatibilityLevel
  /** null: nothing to compare with. A text: why. */
  readonly baseline: Baseline | string
  readonly print: (line: string) => void
}

/** Rejects with SCHEMAS_WRONG, after every problem was printed. */
export async function testContracts({ baseline, level, paths, print }: ContractTest): Promise<void> {
  const found = await findSchemas(paths)
  const problems = [...describeProblems(found), ...(await orphanSamples(found.asked.map(({ path }) => path)))]
  const compared = typeof baseline === 'string' ? baseline : `compared with ${baseline.name} (${level})`
  print(compared)
  for (const schema of found.schemas) {
    const samples = await testSamples(schema)
    const versions =
      typeof baseline === 'string' ? [] : await baseline.versionsOf(schema, level.endsWith('_TRANSITIVE'))
    const breaches = typeof versions === 'string' ? [] : breachesOf(schema, versions, level)
    const wrong = [...samples.problems, ...breaches]
    const word = typeof baseline === 'string' ? '' : `, ${wordOn(schema, versions, breaches)}`
    print(`${wrong.length === 0 ? 'ok   ' : 'WRONG'}  ${schema.path}: ${samples.word}${word}`)
    for (const line of unseenLogicalTypes(JSON.parse(schema.text))) print(`note   ${schema.path}: ${line}`)
    problems.push(...wrong)
  }
  for (const problem of problems) print(problem)
  if (problems.length > 0) {
    throw new TroupeError('SCHEMAS_WRONG', `the schemas do not hold what they promise: problems: ${problems.length}`)
  }
}

// --- samples

interface Tested {
  readonly word: string
  readonly problems: readonly string[]
}

async function testSamples(schema: ReadSchema): Promise<Tested> {
  const folder = samplesOf(schema.path)
  const [good, bad] = await Promise.all([filesIn(join(folder, 'good')), filesIn(join(folder, 'bad'))])
  if (good.length + bad.length === 0) return { word: 'no samples', problems: [] }
  const codec = await boundCodec(schema)
  const problems: string[] = []
  for (const [paths, judge] of [[good, judgeGood] as const, [bad, judgeBad] as const]) {
    for (const path of paths) {
      const problem = judge(codec, schema.type, await readFile(path, 'utf8'))
      if (problem !== undefined) problems.push(`${path}: ${problem}`)
    }
  }
  return { word: `samples: ${good.length} good, ${bad.length} bad`, problems }
}

/** `schemas/samples/click` of `schemas/click.avsc`. */
function samplesOf(path: string): string {
  return join(dirname(path), 'samples', basename(path, SCHEMA_ENDING))
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const names = await namesIn(folder)
  return names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name))
}

/** Sorted; of a folder that is not there none. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return []
    throw error
  }
}

/** Samples of a schema that was renamed would be tested no more, and nobody would know. */
async function orphanSamples(paths: readonly string[]): Promise<readonly string[]> {
  const folders = new Set(paths.map((path) => join(dirname(path), 'samples')))
  const problems: string[] = []
  for (const folder of folders) {
    const schemas = (await namesIn(dirname(folder))).filter((name) => name.endsWith(SCHEMA_ENDING))
    for (const name of await namesIn(folder)) {
      if (schemas.includes(`${name}${SCHEMA_ENDING}`)) continue
      problems.push(
        `${join(folder, name)}: there is no ${join(dirname(folder), name)}${SCHEMA_ENDING} of which these are samples`,
      )
    }
  }
  return problems
}

// --- older versions

function breachesOf(
  schema: ReadSchema,
  versions: readonly NamedVersion[],
  level: CompatibilityLevel,
): readonly string[] {
  return versions.flatMap((old) => {
    // Each by itself: one that is no valid schema hides none of the others.
    try {
      return checkLevel(level, schema, [old]).map(
        (breach) => `${schema.path}: not ${level} to ${old.name}: ${describeBreach(breach)}`,
      )
    } catch (error) {
      if (error instanceof InvalidSchema) {
        return [`${schema.path}: cannot be compared with ${old.name}, which is no valid schema: ${error.message}`]
      }
      throw error
    }
  })
}

function wordOn(schema: ReadSchema, versions: readonly NamedVersion[] | string, breaches: readonly string[]): string {
  if (typeof versions === 'string') return versions
  const latest = versions.at(-1)
  if (latest === undefined) return 'new'
  if (latest.schema.text === schema.text && versions.length === 1) return 'unchanged'
  if (breaches.length > 0) return 'not compatible'
  return versions.length === 1 ? 'compatible' : `compatible with ${versions.length} versions`
}
