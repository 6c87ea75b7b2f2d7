/** Schema files as they were, by git itself. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { TroupeError } from '../../../errors.ts'
import type { SchemaFile } from '../../../schemas/schema-set.ts'
import { SCHEMA_ENDING } from './schema-folder.ts'

const run = promisify(execFile)

export interface Commit {
  readonly id: string
  /** As it was asked for. */
  readonly name: string
}

const MAX_BYTES = 64 * 1024 * 1024
/** Older versions of one file. */
const MAX_COMMITS = 100
/** Where changes of a team meet. */
const mainNames = ['origin/HEAD', 'origin/main', 'origin/master', 'main', 'master']

export class GitVersions {
  /** Paths are relative to it. */
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** null: the folder is in no repository, one without a commit, or there is no git. */
  static async of(folder: string): Promise<GitVersions | null> {
    const versions = new GitVersions(folder)
    return (await versions.#commit('HEAD')) === null ? null : versions
  }

  /** Rejects with OPTIONS_INVALID where there is no such commit. */
  async commit(name: string): Promise<Commit> {
    const id = await this.#commit(name)
    if (id === null) throw new TroupeError('OPTIONS_INVALID', `--against: git knows no commit ${name} here`)
    return { id, name }
  }

  /** Where this work began: the last commit that it shares with the main branch. On that branch itself the last commit. */
  async origin(): Promise<Commit> {
    const head = (await this.#commit('HEAD'))!
    for (const name of mainNames) {
      if ((await this.#commit(name)) === null) continue
      const base = (await this.#ask('merge-base', 'HEAD', name))?.trim()
      return base === undefined || base === head ? { id: head, name: 'HEAD' } : { id: base, name }
    }
    return { id: head, name: 'HEAD' }
  }

  /** All schemas of the folder as they were in a commit. */
  async filesAt({ id }: Commit): Promise<readonly SchemaFile[]> {
    const listed = (await this.#ask('ls-tree', '-r', '-z', '--name-only', id, '--', '.')) ?? ''
    const paths = listed.split('\0').filter((path) => path.endsWith(SCHEMA_ENDING))
    return await Promise.all(
      paths.map(async (path) => ({ path, text: (await this.#ask('show', `${id}:./${path}`)) ?? '' })),
    )
  }

  /** The commits up to this one that changed a file, the oldest first. */
  async changesOf(path: string, { id }: Commit): Promise<readonly Commit[]> {
    const listed = (await this.#ask('log', `--max-count=${MAX_COMMITS}`, '--format=%H', id, '--', path)) ?? ''
    const ids = listed.split('\n').filter((line) => line !== '')
    return ids.reverse().map((each) => ({ id: each, name: each.slice(0, 8) }))
  }

  async #commit(name: string): Promise<string | null> {
    // A name that begins with a dash would be an option.
    if (name === '' || name.startsWith('-')) return null
    return (await this.#ask('rev-parse', '--verify', '--quiet', `${name}^{commit}`))?.trim() ?? null
  }

  /** null: git says no. */
  async #ask(...args: readonly string[]): Promise<string | null> {
    try {
      const { stdout } = await run('git', ['-C', this.#folder, ...args], { maxBuffer: MAX_BYTES })
      return stdout
    } catch {
      return null
    }
  }
}
