/** Schema files as they were, by git itself. */
import { execFile } from 'node:child_process'
import { relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { TroupeError } from '../../../errors.ts'
import type { SchemaFile } from '../../../schemas/schema-set.ts'
import { SCHEMA_ENDING } from './schema-folder.ts'

const run = promisify(execFile)

export interface Commit {
  readonly id: string
  /** As it was asked for. */
  readonly name: string
  /** For people, where it is not what they would expect. */
  readonly note?: string
}

const MAX_BYTES = 64 * 1024 * 1024
/** Older versions of one file. */
const MAX_COMMITS = 100
/** Where changes of a team meet. */
const mainNames = ['origin/HEAD', 'origin/main', 'origin/master', 'main', 'master']
/** A hook of git is told by these where it works; here it is the folder that says so. */
const placeVariables = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_PREFIX',
  'GIT_COMMON_DIR',
  'GIT_OBJECT_DIRECTORY',
]

export class GitVersions {
  /** Whole. */
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = resolve(folder)
  }

  /**
   * null: the folder is in no repository, one without a commit, or there is no git. Rejects with OPTIONS_INVALID where git
   * refuses to look: nothing would be compared, and nobody would know.
   */
  static async of(folder: string): Promise<GitVersions | null> {
    const versions = new GitVersions(folder)
    try {
      await versions.#run('rev-parse', '--git-dir')
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      if (isMissing || /not a git repository/i.test(saidBy(error))) return null
      throw new TroupeError('OPTIONS_INVALID', `git cannot be asked in ${folder}: ${saidBy(error)}`)
    }
    return (await versions.#commit('HEAD')) === null ? null : versions
  }

  /** `path`: whole. */
  holds(path: string): boolean {
    return !relative(this.#folder, path).startsWith('..')
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
      const tip = await this.#commit(name)
      if (tip === null) continue
      // None: a shallow clone ends before it. Then what the main branch is now says more than nothing.
      const base = (await this.#ask('merge-base', 'HEAD', name))?.trim() ?? tip
      return base === head ? { id: head, name: 'HEAD' } : { id: base, name }
    }
    const note = 'git has no main branch here, so that only what is not committed is compared; --against git:REF'
    return { id: head, name: 'HEAD', note }
  }

  /** All schemas of the folder as they were in a commit, by whole paths. */
  async filesAt({ id, name }: Commit): Promise<readonly SchemaFile[]> {
    const files: SchemaFile[] = []
    try {
      const listed = await this.#run('ls-tree', '-r', '-z', '--name-only', id, '--', '.')
      for (const path of listed.split('\0').filter((each) => each.endsWith(SCHEMA_ENDING))) {
        // As files are read: without a byte order mark.
        const text = (await this.#run('show', `${id}:./${path}`)).replace(/^\uFEFF/, '')
        files.push({ path: resolve(this.#folder, path), text })
      }
    } catch (error) {
      throw new TroupeError('OPTIONS_INVALID', `git cannot show the schemas at ${name}: ${saidBy(error)}`)
    }
    return files
  }

  /** The commits up to this one that changed a file, by its whole path; the oldest first. */
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
      return await this.#run(...args)
    } catch {
      return null
    }
  }

  async #run(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, LC_ALL: 'C' }
    for (const name of placeVariables) Reflect.deleteProperty(env, name)
    // Names of files are no patterns.
    const whole = ['-C', this.#folder, '--literal-pathspecs', ...args]
    return (await run('git', whole, { maxBuffer: MAX_BYTES, env })).stdout
  }
}

/** What git itself said, without the command. */
function saidBy(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const said = 'stderr' in error ? String(error.stderr).trim() : ''
  return said === '' ? error.message : said
}
