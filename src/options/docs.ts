/** Prints the table of options: for people who read docs, for `--help`, and what is in force at start. */
import { fileURLToPath } from 'node:url'
import { inputsOf, isAnyHandler } from '../actors/handlers/any-handler.ts'
import type { OptionRows } from './level.ts'
import { envName, flagName } from './names.ts'
import type { OptionRow } from './option-row.ts'
import { actorOptions, appOptions, type ResolvedActor, type ResolvedApp } from './options.ts'
import { ownProducerOptions } from './own-producer.ts'
import { MASK, maskClientConfig } from '../streams/kafka/client-keys.ts'
import { shownUrl, type RegistrySettings } from '../streams/registry/registry-settings.ts'

/** One flag of `troupe run`. */
export interface FlagRow {
  readonly path: string
  /** `--kafka-group-id <name>` */
  readonly flags: string
  readonly doc: string
  /** `kafka`, `threads`, …; empty for what stands at the top. */
  readonly group: string
}

/** Every option of the app that can be set outside its file. */
export function listFlags(): readonly FlagRow[] {
  return Object.entries(appOptions as OptionRows)
    .filter(([path, row]) => row.isFileOnly !== true && path !== 'kafka.client')
    .map(([path, row]) => ({
      path,
      flags: `${flagName(path)} ${row.rule.placeholder}`,
      doc: `${row.doc}${inBrackets(row.rule.choices?.join(', '), defaultText(row))}`,
      group: path.includes('.') ? path.slice(0, path.indexOf('.')) : '',
    }))
}

const tables = { app: appOptions, actor: actorOptions, producer: ownProducerOptions } as const
type Which = keyof typeof tables

/** The table in Markdown: of the app, of each actor, or of `startProducer`. */
export function describeOptionTable(which: Which): string {
  const rows = Object.entries(tables[which] as OptionRows).map(([path, row]) => {
    const names = row.isFileOnly === true ? '' : outsideNames(which, path)
    const value = row.default === undefined ? '**required**' : defaultText(row) || 'none'
    return `| \`${path}\` | ${row.rule.text} | ${value} | ${row.doc}${names} |`
  })
  return ['| option | what it may be | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n')
}

/** The options in force as plain data, without secrets: for the log at start and for /status. */
export function maskOptions(app: ResolvedApp): Record<string, unknown> {
  return {
    ...app,
    kafka: { ...app.kafka, client: maskClientConfig(app.kafka.client) },
    schemaRegistry: maskRegistry(app.schemaRegistry),
    http: { ...app.http, token: app.http.token === null ? null : MASK },
    actors: app.actors.map((actor) => ({ ...actor, handler: handlerText(actor) })),
    sinks: Object.keys(app.sinks),
    shared: Object.keys(app.shared),
  }
}

function maskRegistry(settings: RegistrySettings): Record<string, unknown> {
  const { headers, keyPassphrase, password, token, url } = settings
  return {
    ...settings,
    url: url.map(shownUrl),
    password: password === null ? null : MASK,
    token: token === null ? null : MASK,
    headers: Object.fromEntries(Object.keys(headers).map((name) => [name, MASK])),
    keyPassphrase: keyPassphrase === null ? null : MASK,
  }
}

/** The options in force, one a line, without secrets. */
export function describeOptions(app: ResolvedApp): string {
  const { actors, ...rest } = maskOptions(app)
  const lines = flatten(rest)
  for (const { name, ...actor } of actors as readonly Record<string, unknown>[]) {
    lines.push(...flatten(actor, `actors.${String(name)}.`))
  }
  const width = Math.max(...lines.map(([path]) => path.length))
  return lines.map(([path, value]) => `${path.padEnd(width)}  ${value}`).join('\n')
}

function outsideNames(which: Which, path: string): string {
  if (which === 'actor') return ` \`--actor NAME.${path}=…\``
  if (which === 'producer')
    return ` \`${[envName(path), ...((tables.producer as OptionRows)[path]?.env ?? [])].join('`, `')}\``
  if (path === 'kafka.client')
    return ` \`${flagName(path)} key=value\`, \`${envName(path)}_SASL_PASSWORD\` for \`sasl.password\``
  const row = (appOptions as OptionRows)[path]
  return ` \`${[flagName(path), envName(path), ...(row?.env ?? [])].join('`, `')}\``
}

function inBrackets(choices: string | undefined, value: string): string {
  const parts = [...(choices === undefined ? [] : [choices]), ...(value === '' ? [] : [`default: ${value}`])]
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

function defaultText(row: OptionRow<unknown>): string {
  return row.defaultText ?? scalarText(row.default)
}

function handlerText({ handler }: ResolvedActor): string {
  if (isAnyHandler(handler))
    return `(${handler.kind === 'operator' ? handler.what : 'handler'} of topic ${inputsOf(handler)[0].name})`
  return handler.protocol === 'file:' ? fileURLToPath(handler) : handler.protocol
}

function flatten(value: Readonly<Record<string, unknown>>, prefix = ''): [path: string, text: string][] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const isBranch = typeof inner === 'object' && inner !== null && !Array.isArray(inner)
    if (isBranch) return flatten(inner as Record<string, unknown>, `${prefix}${key}.`)
    return [[`${prefix}${key}`, shown(inner)]]
  })
}

function shown(value: unknown): string {
  return (Array.isArray(value) ? value.map(scalarText).join(', ') : scalarText(value)) || '(none)'
}

function scalarText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}
