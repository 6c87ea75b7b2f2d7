import type { Rule } from './rules.ts'

/** One option. Its flag and its environment name follow from its path: `http.port`, `--http-port`, `TROUPE_HTTP_PORT`. */
export interface OptionRow<Value> {
  readonly rule: Rule<Value>
  readonly doc: string
  /** Absent: the option is required. A function where it depends on the machine. */
  readonly default?: Value | (() => Value)
  /** The default in words, where the value itself says too little. */
  readonly defaultText?: string
  /** The default is lowered to the value of this option, where that is less. */
  readonly atMost?: string
  /** Under `troupe run` the default, a number of things that the machine has, is shared by as many as this option says. */
  readonly sharedBy?: string
  /** The default under `troupe run`, where it differs. */
  readonly cliDefault?: Value
  /** Further environment names, after the one that follows from the path. */
  readonly env?: readonly string[]
  /** Never shown: it may hold passwords. */
  readonly isSecret?: true
  /** Set in the file only: no flag, no environment. */
  readonly isFileOnly?: true
}
