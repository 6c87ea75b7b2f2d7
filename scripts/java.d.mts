/** What a program in Java needs of this machine before it runs; undefined: nothing. */
export function findMissingJava(needs: {
  readonly program: string
  readonly oldestJava: number
  /** What `fetchOnce` fills for it. */
  readonly folder: string
}): string | undefined

/** Fetches it by Maven, whose arguments `goal` gives, and resolves with its folder. */
export function fetchOnce(
  what: {
    readonly name: string
    readonly title: string
    readonly size: string
    readonly goal: (folder: string) => string[]
  },
  log: (line: string) => void,
): Promise<string>

export function findJava(): { readonly command: string; readonly version: string; readonly major: number } | undefined
