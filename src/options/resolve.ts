/**
 * From what users write to what the engine runs on: flags over environment over file over
 * defaults, every value checked, and all problems told at once.
 */
import { basename, dirname, isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inputsOf, isAnyHandler } from '../actors/handlers/any-handler.ts'
import { isApp, type App, type AppDefinition } from '../app.ts'
import { TroupeError } from '../errors.ts'
import { OptionLevel, printed, type OptionRows } from './level.ts'
import { OptionOverrides } from './overrides.ts'
import { actorRelations, appRelations, type Relation } from './relations.ts'
import { isPlainObject } from './rules.ts'
import { actorOptions, appOptions, type ResolvedActor, type ResolvedApp } from './options.ts'
import type { RegistrySettings } from '../streams/registry/registry-settings.ts'
import { classicOnlyClientKeys, ownedClientKeys } from '../streams/kafka/client-keys.ts'
import { clientKeysOf } from '../streams/kafka/producer-settings.ts'

export interface OptionSources {
  /**
   * Text or values by path: `kafka.groupId`, also `kafka.client.<key>` and `actors.<name>.<path>`
   * (`actors.*.<path>` for all of them).
   */
  readonly flags?: Readonly<Record<string, unknown>>
  /** Read only when given, so that an embedding service decides. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What relative handler paths are relative to: the app's module. */
  readonly baseUrl?: URL
  /** Uses the defaults that differ under `troupe run`. */
  readonly isCli?: boolean
}

const appRows = appOptions as OptionRows
const actorRows = actorOptions as OptionRows

/** Checks an app and fills in defaults. Throws one OPTIONS_INVALID that lists every problem. */
export function resolveOptions(app: App | AppDefinition, sources: OptionSources = {}): ResolvedApp {
  const definition: unknown = isApp(app) ? app.definition : app
  if (!isPlainObject(definition)) {
    throw new TroupeError('OPTIONS_INVALID', `an app is the object given to defineApp, not ${printed(definition)}`)
  }
  const { flags = {}, env = {}, isCli = false, baseUrl } = sources
  const problems: string[] = []
  const { actors, ...rest } = definition
  const inputs = readActors(actors, problems)
  const names = inputs.map(({ name }) => name)
  const overrides = new OptionOverrides({ flags, env, appRows, actorRows, actorNames: names })

  const ofActors = { owner: 'an actor', paths: Object.keys(actorRows) }
  const level = new OptionLevel({ rows: appRows, prefix: '', siblings: ['actors'], other: ofActors, isCli, problems })
  level.read(rest, (path, inFile) => overrides.ofApp(path, inFile))
  checkClientKeys(level)
  checkSinkNames(level)
  checkRelations(level, appRelations, problems)

  const resolvedActors = inputs.map(({ prefix, name, options }, at) => {
    const ofApp = { owner: 'the app', paths: Object.keys(appRows) }
    const actor = new OptionLevel({ rows: actorRows, prefix, siblings: [], other: ofApp, isCli, problems })
    actor.read(options, (path) => overrides.ofActor(name, path))
    if (names.indexOf(name) < at) actor.report('name', `${printed(name)} is the name of another actor already`)
    locateHandler(actor, baseUrl)
    checkRelations(actor, actorRelations, problems)
    return actor.shape() as unknown as ResolvedActor
  })
  problems.push(...overrides.unknownNames())

  if (problems.length > 0) throw new TroupeError('OPTIONS_INVALID', problemText(problems))
  return { ...level.shape(), actors: resolvedActors } as unknown as ResolvedApp
}

/** Only what says where the schema registry is: for who asks it without an app. Throws as the other does. */
export function resolveRegistry({ flags = {}, env = {} }: Pick<OptionSources, 'flags' | 'env'>): RegistrySettings {
  const isOfRegistry = ([path]: readonly [string, unknown]): boolean => path.startsWith('schemaRegistry.')
  const rows = Object.fromEntries(Object.entries(appRows).filter(isOfRegistry))
  const problems: string[] = []
  const overrides = new OptionOverrides({ flags, env, appRows: rows, actorRows: {}, actorNames: [] })
  const other = { owner: 'the app', paths: Object.keys(appRows) }
  const level = new OptionLevel({ rows, prefix: '', siblings: [], other, isCli: true, problems })
  level.read({}, (path, inFile) => overrides.ofApp(path, inFile))
  const ofRegistry = appRelations.filter(({ paths }) => paths.every((path) => path.startsWith('schemaRegistry.')))
  checkRelations(level, ofRegistry, problems)
  if (problems.length > 0) throw new TroupeError('OPTIONS_INVALID', problemText(problems))
  return level.shape()['schemaRegistry'] as RegistrySettings
}

/** One, or a list. */
export function problemText(problems: readonly string[]): string {
  if (problems.length === 1) return problems.join('')
  return `${problems.length} options are wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`
}

interface ActorInput {
  /** How messages name it. */
  readonly prefix: string
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

/** The actors as objects; what is none is told and left out. */
function readActors(actors: unknown, problems: string[]): readonly ActorInput[] {
  if (actors === undefined) problems.push('actors: is required: a list of at least one actor')
  else if (!Array.isArray(actors) || actors.length === 0) {
    problems.push(`actors: ${printed(actors)} is not a list of at least one actor`)
  }
  if (!Array.isArray(actors)) return []
  return actors.flatMap((actor: unknown, at): ActorInput[] => {
    if (!isPlainObject(actor)) {
      problems.push(`actors[${at}]: ${printed(actor)} is not an object of options`)
      return []
    }
    const name = actor['name'] === undefined ? nameOf(actor['handler']) : actor['name']
    // A name that is no text is told when its level is read.
    return [{ prefix: `actors[${at}].`, name: typeof name === 'string' ? name : '', options: { ...actor, name } }]
  })
}

/** What to call an actor that has no name of its own: its handler's name, or its module's. */
function nameOf(handler: unknown): string {
  if (isAnyHandler(handler)) return handler.name ?? inputsOf(handler)[0].name
  const path = handler instanceof URL ? decodeURIComponent(handler.pathname) : String(handler)
  const stem = basename(path).replace(/\.[^.]+$/, '')
  return (stem === 'index' ? basename(dirname(path)) : stem) || 'actor'
}

/** Replaces a path by the URL it stands for. */
function locateHandler(actor: OptionLevel, baseUrl: URL | undefined): void {
  const handler = actor.values.get('handler')
  if (typeof handler !== 'string') return
  if (handler.startsWith('file:')) actor.values.set('handler', new URL(handler))
  else if (isAbsolute(handler)) actor.values.set('handler', pathToFileURL(handler))
  else if (baseUrl !== undefined) {
    actor.values.set('handler', pathToFileURL(resolve(dirname(fileURLToPath(baseUrl)), handler)))
  } else {
    const url = `new URL(${JSON.stringify(handler)}, import.meta.url)`
    actor.report('handler', `${printed(handler)} is relative to nothing here; write ${url}`)
  }
}

/** Of `kafka.client`: what belongs to the engine, and what an option says as well. */
export function checkClientKeys(level: OptionLevel): void {
  const client = (level.values.get('kafka.client') ?? {}) as Readonly<Record<string, unknown>>
  for (const [path, keys] of Object.entries(clientKeysOf)) {
    const key = keys.find((candidate) => candidate in client)
    if (key === undefined || !level.given.has(path)) continue
    level.report('kafka.client', `the key ${key} and ${path} say the same; set one of them`)
  }
  const isKip848 = level.values.get('kafka.groupProtocol') === 'consumer'
  for (const key of Object.keys(client)) {
    const reason = ownedClientKeys.get(key)
    if (reason !== undefined) level.report('kafka.client', `the key ${key} belongs to the engine: ${reason}`)
    if (isKip848 && classicOnlyClientKeys.has(key)) {
      level.report(
        'kafka.client',
        `the key ${key} must not be set with kafka.groupProtocol consumer: the brokers decide it`,
      )
    }
  }
}

/** Names that the engine's own sinks go by in metrics and on /readyz. */
const ownSinks = ['kafka', 'dead-letters']

function checkSinkNames(level: OptionLevel): void {
  const sinks = level.values.get('sinks') as object | undefined
  for (const name of Object.keys(sinks ?? {}).filter((candidate) => ownSinks.includes(candidate))) {
    level.report('sinks', `the name ${name} belongs to the engine; choose another`)
  }
}

export function checkRelations<Shape>(
  level: OptionLevel,
  relations: readonly Relation<Shape>[],
  problems: string[],
): void {
  const shape = level.shape() as Shape
  for (const { paths, rule, why, holds } of relations) {
    if (!level.areReadable(paths) || holds(shape, level.given)) continue
    const values = paths.filter((path) => typeof level.values.get(path) !== 'object')
    const shown = values.map((path) => `${path} is ${printed(level.values.get(path))}`)
    problems.push(`${level.prefix}${rule}: ${why} (${shown.join(', ')})`)
  }
}
