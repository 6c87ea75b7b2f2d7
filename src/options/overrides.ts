/** What flags and the environment say of options, and what of it names no option. */
import { nearestName, nearestPath } from './near-miss.ts'
import { isPlainObject } from './rules.ts'
import { envName, flagName } from './names.ts'
import type { Override, OptionRows } from './level.ts'

export type Flags = Readonly<Record<string, unknown>>
export type Environment = Readonly<Record<string, string | undefined>>

const CLIENT = 'kafka.client'
const CLIENT_ENV = `${envName(CLIENT)}_`

export interface OverrideOptions {
  readonly flags: Flags
  readonly env: Environment
  readonly appRows: OptionRows
  readonly actorRows: OptionRows
  readonly actorNames: readonly string[]
}

export class OptionOverrides {
  readonly #flags: ReadonlyMap<string, unknown>
  readonly #env: ReadonlyMap<string, string>
  readonly #options: OverrideOptions
  readonly #taken = new Set<string>()

  constructor(options: OverrideOptions) {
    this.#options = options
    this.#flags = new Map(Object.entries(options.flags).filter(([, value]) => value !== undefined))
    this.#env = new Map(
      // Compose files and shells hand an unset variable on as an empty one.
      Object.entries(options.env).filter((entry): entry is [string, string] => (entry[1] ?? '') !== ''),
    )
  }

  ofApp(path: string, inFile: unknown): Override | undefined {
    const row = this.#options.appRows[path]
    if (row === undefined || row.isFileOnly === true) return undefined
    if (path === CLIENT) return this.#ofClient(inFile)
    return this.#flag(path, flagName(path)) ?? this.#variable([envName(path), ...(row.env ?? [])])
  }

  ofActor(actor: string, path: string): Override | undefined {
    const row = this.#options.actorRows[path]
    if (row === undefined || row.isFileOnly === true) return undefined
    const everyActor = this.#flag(`actors.*.${path}`, `--actor '*.${path}'`)
    return (
      this.#flag(`actors.${actor}.${path}`, `--actor ${actor}.${path}`) ??
      everyActor ??
      this.#variable([envName(`actors.${actor}.${path}`)])
    )
  }

  /** A problem for each name that is no option. Ask when everything was taken. */
  unknownNames(): readonly string[] {
    return [...this.#unknownFlags(), ...this.#unknownVariables()]
  }

  #flag(path: string, from: string): Override | undefined {
    if (!this.#flags.has(path)) return undefined
    this.#taken.add(path)
    return { value: this.#flags.get(path), from }
  }

  #variable(names: readonly string[]): Override | undefined {
    const name = names.find((candidate) => this.#env.has(candidate))
    return name === undefined ? undefined : { value: this.#env.get(name), from: name }
  }

  /** Single keys go over those of the file: `TROUPE_KAFKA_CLIENT_SASL_PASSWORD` is `sasl.password`. */
  #ofClient(inFile: unknown): Override | undefined {
    const keys: Record<string, unknown> = {}
    const from: string[] = []
    const taken = new Set(Object.keys(this.#options.appRows).map(envName))
    for (const [name, value] of this.#env) {
      if (!name.startsWith(CLIENT_ENV) || taken.has(name)) continue
      keys[name.slice(CLIENT_ENV.length).toLowerCase().replaceAll('_', '.')] = value
      from.push(name)
    }
    for (const [path, value] of this.#flags) {
      if (!path.startsWith(`${CLIENT}.`)) continue
      this.#taken.add(path)
      keys[path.slice(CLIENT.length + 1)] = value
      from.push(flagName(CLIENT))
    }
    if (from.length === 0 || !(inFile === undefined || isPlainObject(inFile))) return undefined
    return { value: { ...inFile, ...keys }, from: from.join(', ') }
  }

  #unknownFlags(): readonly string[] {
    const { appRows, actorRows, actorNames } = this.#options
    const actorPaths = [...actorNames, '*'].flatMap((actor) => Object.keys(actorRows).map((path) => `${actor}.${path}`))
    return [...this.#flags.keys()]
      .filter((path) => !this.#taken.has(path))
      .map((path) => {
        const isActor = path.startsWith('actors.')
        const given = isActor ? path.slice('actors.'.length) : path
        const near = isActor
          ? (nearestName(given, actorPaths) ?? this.#nearestOfActor(given))
          : nearestName(given, Object.keys(appRows))
        const flag = isActor ? `--actor ${given}` : flagName(given)
        if (near === given) return `${flag}: is set in the app only`
        const meant = near === null ? '' : `, did you mean ${isActor ? near : flagName(near)}?`
        return `${flag}: unknown option${meant}`
      })
  }

  /** `*.attempts` → `*.retry.attempts`. */
  #nearestOfActor(given: string): string | null {
    const { actorRows, actorNames } = this.#options
    const name = [...actorNames, '*'].find((candidate) => given.startsWith(`${candidate}.`))
    if (name === undefined) return null
    const path = nearestPath(given.slice(given.lastIndexOf('.') + 1), Object.keys(actorRows))
    return path === null ? null : `${name}.${path}`
  }

  /**
   * Only near misses: other TROUPE_… variables may be somebody else's. Kubernetes sets
   * TROUPE_SERVICE_HOST and the like in every pod beside a service called troupe.
   */
  #unknownVariables(): readonly string[] {
    const { appRows, actorRows, actorNames } = this.#options
    const known = new Set([
      ...Object.keys(appRows).map(envName),
      ...actorNames.flatMap((actor) => Object.keys(actorRows).map((path) => envName(`actors.${actor}.${path}`))),
    ])
    return [...this.#env.keys()].flatMap((name) => {
      if (!name.startsWith('TROUPE_') || known.has(name) || name.startsWith(CLIENT_ENV)) return []
      const near = nearestName(name, known)
      return near === null ? [] : [`${name}: unknown option, did you mean ${near}?`]
    })
  }
}
