/** What schema files were before, in git. */
import { basename, dirname } from 'node:path'
import { readSchemas, type ReadSchema, type SchemaFile } from '../../../schemas/schema-set.ts'
import type { Baseline, NamedVersion } from './contract-test.ts'
import { GitVersions, type Commit } from './git-versions.ts'

/** `asked`: a commit by any name; undefined: where this work began. null: there is no git here. */
export async function gitBaseline(folder: string, asked: string | undefined): Promise<Baseline | null> {
  const git = await GitVersions.of(folder)
  if (git === null) return null
  return new GitBaseline(asked === undefined ? await git.origin() : await git.commit(asked))
}

class GitBaseline implements Baseline {
  readonly name: string
  readonly #commit: Commit

  constructor(commit: Commit) {
    this.#commit = commit
    this.name = `git:${commit.name} (${commit.id.slice(0, 8)})`
  }

  async versionsOf({ path }: ReadSchema, all: boolean): Promise<readonly NamedVersion[]> {
    // Folder by folder: files of one may name each other.
    const git = (await GitVersions.of(dirname(path)))!
    const commits = all ? await git.changesOf(basename(path), this.#commit) : [this.#commit]
    const versions: NamedVersion[] = []
    for (const commit of commits) {
      const schema = schemaIn(await git.filesAt(commit), basename(path))
      if (schema !== undefined) versions.push({ name: `${commit.name} in git`, version: versions.length + 1, schema })
    }
    return versions
  }
}

function schemaIn(files: readonly SchemaFile[], path: string): ReadSchema | undefined {
  return readSchemas(files).schemas.find((each) => each.path === path)
}
