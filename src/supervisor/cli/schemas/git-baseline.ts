/** What schema files were before, in git. */
import { resolve } from 'node:path'
import { readSchemas, type ReadSchema, type SchemaSet } from '../../../schemas/schema-set.ts'
import type { Baseline, NamedVersion } from './contract-test.ts'
import { GitVersions, type Commit } from './git-versions.ts'

/**
 * `folders`: all that files may name each other in. `asked`: a commit by any name; undefined: where this work began. null:
 * there is no git here.
 */
export async function gitBaseline(folders: readonly string[], asked: string | undefined): Promise<Baseline | null> {
  const all: GitVersions[] = []
  for (const folder of folders) {
    const git = await GitVersions.of(folder)
    if (git === null) return null
    all.push(git)
  }
  const [first] = all
  return new GitBaseline(all, asked === undefined ? await first!.origin() : await first!.commit(asked))
}

class GitBaseline implements Baseline {
  readonly name: string
  readonly #folders: readonly GitVersions[]
  readonly #commit: Commit
  readonly #sets = new Map<string, Promise<SchemaSet>>()

  constructor(folders: readonly GitVersions[], commit: Commit) {
    this.#folders = folders
    this.#commit = commit
    this.name = `git:${commit.name} (${commit.id.slice(0, 8)}${commit.note === undefined ? '' : `: ${commit.note}`})`
  }

  async versionsOf({ path }: ReadSchema, all: boolean): Promise<readonly NamedVersion[] | string> {
    const whole = resolve(path)
    const git = this.#folders.find((each) => each.holds(whole))!
    const commits = all ? await git.changesOf(whole, this.#commit) : [this.#commit]
    const versions: NamedVersion[] = []
    const unread: string[] = []
    for (const commit of commits) {
      const { problems, schemas } = await this.#at(commit)
      const name = `${commit.name} in git`
      const schema = schemas.find((each) => each.path === whole)
      const problem = problems.find((each) => each.path === whole)
      if (schema !== undefined) versions.push({ name, version: versions.length + 1, schema })
      if (problem !== undefined) unread.push(`not compared with ${name}: no valid schema there: ${problem.reason}`)
    }
    return versions.length === 0 && unread.length > 0 ? unread.at(-1)! : versions
  }

  /** Of all folders at once: a file of one may name what a file of another defines. */
  #at(commit: Commit): Promise<SchemaSet> {
    const known = this.#sets.get(commit.id)
    if (known !== undefined) return known
    const reading = Promise.all(this.#folders.map((git) => git.filesAt(commit))).then((files) => {
      return readSchemas([...new Map(files.flat().map((file) => [file.path, file])).values()])
    })
    this.#sets.set(commit.id, reading)
    return reading
  }
}
