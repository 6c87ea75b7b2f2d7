/** Under which subjects a registry has which files: a file does not say so itself. */
import { TroupeError } from '../../../errors.ts'
import type { FoundSchema } from './schema-folder.ts'

export class SubjectsOfFiles {
  readonly #subjects = new Map<string, string[]>()

  /** Of `FILE=SUBJECT`, by the file's path or its place in its folder. Throws OPTIONS_INVALID for a file that is not there. */
  constructor(pairs: readonly string[], asked: readonly FoundSchema[]) {
    const problems: string[] = []
    for (const pair of pairs) {
      const at = pair.indexOf('=')
      const [file, subject] = [pair.slice(0, at), pair.slice(at + 1)]
      const meant = asked.filter(({ path, within }) => file === path || file === within)
      const [found] = meant
      if (found === undefined || meant.length > 1) {
        problems.push(`--subject: ${file} is ${found === undefined ? 'none' : 'more than one'} of the schema files`)
      } else this.#subjects.set(found.path, [...this.of(found.path), subject])
    }
    if (problems.length > 0) throw new TroupeError('OPTIONS_INVALID', problems.join('; '))
  }

  of(path: string): readonly string[] {
    return this.#subjects.get(path) ?? []
  }
}
