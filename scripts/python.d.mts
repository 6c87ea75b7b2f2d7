export interface PythonProgram {
  /** Short, of a folder. */
  readonly name: string
  readonly title: string
  /** What is fetched, once. */
  readonly size: string
  /** The file that pip installs from: every package with its version. */
  readonly requirements: string
}

/** What keeps us from running it here, and what to install; undefined when nothing does. */
export function findMissingPython(program: PythonProgram): string | undefined

/** Installs what it needs once, and resolves with the interpreter that has it. Needs no root. */
export function installPython(program: PythonProgram, log?: (line: string) => void): Promise<string>
