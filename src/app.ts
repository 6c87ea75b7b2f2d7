/**
 * What an app is: the object a module exports for `troupe run`, or hands to `startSupervisor`.
 * Everything that has a default may be left out; `options.ts` has the defaults and the rules.
 */
import type { BatchHandler } from './actors/handlers/batch-handler.ts'
import type { Handler } from './actors/handlers/handler.ts'
import type { Operator } from './operators/operator.ts'
import type { SharedLoader } from './actors/handlers/shared-data.ts'
import type { ResolvedActor, ResolvedApp } from './options/options.ts'
import type { Destination } from './streams/flows/flow.ts'
import type { GivenRegistry } from './streams/registry/registry-settings.ts'
import type { Sink } from './streams/delivery/sink.ts'

/* eslint-disable @typescript-eslint/no-explicit-any -- handlers of any input; `unknown` would refuse all but those of unknown */
type HandlerOfAny =
  | Handler<any, any, readonly Destination[], any, any, any>
  | BatchHandler<any, any, readonly Destination[], any, any>
  | Operator
/* eslint-enable @typescript-eslint/no-explicit-any */

export interface ActorDefinition extends Partial<Omit<ResolvedActor, 'handler' | 'retry' | 'rate' | 'deadLetter'>> {
  /**
   * The handler, or the module that exports one as default: `new URL('./enrich.js', import.meta.url)`,
   * a `file:` URL, or an absolute path. Under `troupe run` a path may be relative to the app's module.
   * On threads it has to be a module.
   */
  readonly handler: URL | string | HandlerOfAny
  readonly retry?: Partial<ResolvedActor['retry']>
  /** `{ perSecond: 50 }`: most attempts handed to the handler in a second. */
  readonly rate?: Partial<ResolvedActor['rate']> | null
  /** The dead-letter topic. Without one the actor stops on a record that would need it. */
  readonly deadLetter?: string | null
}

export interface AppDefinition extends Partial<
  Pick<
    ResolvedApp,
    | 'guarantee'
    | 'checkpointIntervalMs'
    | 'transactionTimeoutMs'
    | 'instances'
    | 'commitIntervalMs'
    | 'drainTimeoutMs'
    | 'foreignMetadata'
    | 'showKeys'
    | 'registerSchemas'
  >
> {
  /** `brokers` and `groupId` are required; under `troupe run` they may come from flags or the environment. */
  readonly kafka?: Partial<Omit<ResolvedApp['kafka'], 'brokers'>> & {
    /** `host:port` of one or more brokers, as a list or separated by commas. */
    readonly brokers?: string | readonly string[]
  }
  /** The registry that keeps the schemas of topics whose codec has one: `{ url: 'http://registry:8081' }`. */
  readonly schemaRegistry?: GivenRegistry
  /** How outputs and dead letters are written to Kafka. */
  readonly producer?: Partial<ResolvedApp['producer']>
  readonly actors: readonly ActorDefinition[]
  /** Destinations outside Kafka, by the name that tables refer to. */
  readonly sinks?: Readonly<Record<string, Sink>>
  /**
   * Read-only data for handlers, by name, such as a GeoIP database: loaded once, at start, into one copy that all threads
   * share. A handler's `setup` gets it by `shared(name)`.
   */
  readonly shared?: Readonly<Record<string, SharedLoader>>
  readonly threads?: Partial<ResolvedApp['threads']>
  readonly intake?: Partial<ResolvedApp['intake']>
  /** Where the state of handlers is kept between checkpoints. */
  readonly state?: Partial<ResolvedApp['state']>
  readonly restart?: Partial<ResolvedApp['restart']>
  readonly http?: Partial<ResolvedApp['http']>
  readonly log?: Partial<ResolvedApp['log']>
}

/** What `defineApp` returns and `troupe run` expects as the default export of a module. */
export interface App {
  readonly kind: 'app'
  readonly definition: AppDefinition
}

/**
 * Declares an app. Nothing is checked yet: flags and the environment may still complete it.
 *
 * @example
 * export default defineApp({
 *   kafka: { brokers: ['localhost:9092'], groupId: 'click-enricher' },
 *   actors: [{ handler: new URL('./enrich.js', import.meta.url), runOn: 'threads', deadLetter: 'user_clicks_dlq' }],
 * })
 */
export function defineApp(definition: AppDefinition): App {
  return { kind: 'app', definition }
}

/** True for what `defineApp` returns, also from a second copy of the package. */
export function isApp(value: unknown): value is App {
  return (
    typeof value === 'object' &&
    value !== null &&
    Reflect.get(value, 'kind') === 'app' &&
    typeof Reflect.get(value, 'definition') === 'object'
  )
}
