/** The `.avsc` files that a command of `troupe schemas` is given. */
import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { TroupeError, describeError } from '../../../errors.ts'
import { readSchemas, type SchemaSet } from '../../../schemas/schema-set.ts'

export const SCHEMA_ENDING = '.avsc'

export interface FoundSchema {
  readonly path: string
  /** From the folder that was asked for. */
  readonly within: string
}

export interface FoundSchemas extends SchemaSet {
  /** What was asked for, sorted; what is only there to be named by them is not. */
  readonly asked: readonly FoundSchema[]
}

/** Of files, and of folders with all that is in them. Rejects with OPTIONS_INVALID where there is none. */
export async function findSchemas(paths: readonly string[]): Promise<FoundSchemas> {
  const asked = new Map<string, FoundSchema>()
  const neighbours = new Set<string>()
  for (const path of paths) {
    const { folder, found } = await look(path)
    for (const each of found) asked.set(each.path, each)
    for (const each of await listSchemas(folder)) neighbours.add(each)
  }
  const files = await Promise.all(
    [...new Set([...asked.keys(), ...neighbours])].sort().map(async (path) => ({ path, text: await readText(path) })),
  )
  const { problems, schemas } = readSchemas(files)
  return {
    asked: [...asked.values()].sort((one, other) => (one.path < other.path ? -1 : 1)),
    schemas: schemas.filter(({ path }) => asked.has(path)),
    problems: problems.filter(({ path }) => asked.has(path)),
  }
}

/** Text without a byte order mark, which JSON has none of. */
async function readText(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).replace(/^\uFEFF/, '')
}

async function look(path: string): Promise<{ readonly folder: string; readonly found: readonly FoundSchema[] }> {
  let isFolder: boolean
  try {
    isFolder = (await stat(path)).isDirectory()
  } catch (error) {
    throw new TroupeError('OPTIONS_INVALID', `${path} cannot be read: ${describeError(error)}`)
  }
  if (!isFolder) return { folder: dirname(path), found: [{ path, within: basename(path) }] }
  const found = (await listSchemas(path)).map((each) => ({ path: each, within: relative(path, each) }))
  if (found.length === 0) throw new TroupeError('OPTIONS_INVALID', `${path} has no file *${SCHEMA_ENDING}`)
  return { folder: path, found }
}

async function listSchemas(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(SCHEMA_ENDING))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(folder, path).split(/[\\/]/).includes('node_modules'))
}

/** Files that are no schemas, a line each. */
export function describeProblems({ problems }: SchemaSet): readonly string[] {
  return problems.map(({ path, reason }) => `${path}: no valid schema: ${reason}`)
}
