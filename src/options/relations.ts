/** What has to hold between options: one row each, read by `options/resolve.ts`. */
import type { ResolvedActor, ResolvedApp } from './options.ts'

export interface Relation<Shape> {
  readonly paths: readonly string[]
  readonly rule: string
  readonly why: string
  /** `given`: the paths that somebody set, as against defaults. */
  readonly holds: (shape: Shape, given: ReadonlySet<string>) => boolean
}

export const registryRelations: readonly Relation<Pick<ResolvedApp, 'schemaRegistry'>>[] = [
  {
    paths: ['schemaRegistry.username', 'schemaRegistry.password'],
    rule: 'schemaRegistry.password must not be set without schemaRegistry.username',
    why: 'nobody would be told whose it is',
    holds: ({ schemaRegistry: { password, username } }) => password === null || username !== null,
  },
  {
    paths: ['schemaRegistry.username', 'schemaRegistry.token'],
    rule: 'schemaRegistry.username and schemaRegistry.token must not be set both',
    why: 'a request carries one of them',
    holds: ({ schemaRegistry: { token, username } }) => username === null || token === null,
  },
  {
    paths: ['schemaRegistry.certFile', 'schemaRegistry.keyFile'],
    rule: 'schemaRegistry.certFile and schemaRegistry.keyFile have to be set together',
    why: 'a certificate is shown with its key',
    holds: ({ schemaRegistry: { certFile, keyFile } }) => (certFile === null) === (keyFile === null),
  },
  {
    paths: ['schemaRegistry.connectTimeoutMs', 'schemaRegistry.timeoutMs'],
    rule: 'schemaRegistry.connectTimeoutMs must not be more than schemaRegistry.timeoutMs',
    why: 'the connection is a part of the answer',
    holds: ({ schemaRegistry: { connectTimeoutMs, timeoutMs } }) => connectTimeoutMs <= timeoutMs,
  },
]

export function endsBeforePolls(app: Pick<ResolvedApp, 'drainTimeoutMs' | 'kafka' | 'transactionTimeoutMs'>): boolean {
  return app.drainTimeoutMs + app.transactionTimeoutMs < app.kafka.maxPollIntervalMs
}

export const appRelations: readonly Relation<ResolvedApp>[] = [
  {
    paths: ['drainTimeoutMs', 'kafka.maxPollIntervalMs'],
    rule: 'drainTimeoutMs has to be less than kafka.maxPollIntervalMs',
    why: 'a drain must end before the member counts as gone',
    holds: (app) => app.drainTimeoutMs < app.kafka.maxPollIntervalMs,
  },
  {
    paths: ['transactionTimeoutMs', 'drainTimeoutMs', 'kafka.maxPollIntervalMs'],
    rule: 'transactionTimeoutMs and drainTimeoutMs together have to be less than kafka.maxPollIntervalMs',
    why: 'a drain, and a transaction that is still open then, must end before the member counts as gone',
    holds: (app, given) =>
      (app.guarantee !== 'exactly-once' && !given.has('transactionTimeoutMs')) || endsBeforePolls(app),
  },
  {
    paths: ['kafka.sessionTimeoutMs', 'kafka.maxPollIntervalMs'],
    rule: 'kafka.sessionTimeoutMs must not be more than kafka.maxPollIntervalMs',
    why: 'the client refuses it',
    holds: (app) => app.kafka.sessionTimeoutMs <= app.kafka.maxPollIntervalMs,
  },
  {
    paths: ['kafka.sessionTimeoutMs', 'kafka.groupProtocol'],
    rule: 'kafka.sessionTimeoutMs must not be set with kafka.groupProtocol consumer',
    why: 'there the brokers decide it: group.consumer.session.timeout.ms',
    holds: (app, given) => app.kafka.groupProtocol === 'classic' || !given.has('kafka.sessionTimeoutMs'),
  },
  {
    paths: ['kafka.assignmentStrategy', 'kafka.groupProtocol'],
    rule: 'kafka.assignmentStrategy must not be set with kafka.groupProtocol consumer',
    why: 'there the brokers assign the partitions',
    holds: (app, given) => app.kafka.groupProtocol === 'classic' || !given.has('kafka.assignmentStrategy'),
  },
  {
    paths: ['intake.maxPartitionRecords', 'intake.maxRecords'],
    rule: 'intake.maxPartitionRecords must not be more than intake.maxRecords',
    why: 'one partition would use up what is there for all',
    holds: (app) => app.intake.maxPartitionRecords <= app.intake.maxRecords,
  },
  {
    paths: ['intake.maxPartitionBytes', 'intake.maxBytes'],
    rule: 'intake.maxPartitionBytes must not be more than intake.maxBytes',
    why: 'one partition would use up what is there for all',
    holds: (app) => app.intake.maxPartitionBytes <= app.intake.maxBytes,
  },
  {
    paths: ['state.store', 'state.directory'],
    rule: 'state.store disk needs state.directory',
    why: 'state that is to be found again needs a place of its own',
    holds: ({ state }) => state.store === 'memory' || state.directory !== null,
  },
  ...registryRelations,
]

export const actorRelations: readonly Relation<ResolvedActor>[] = [
  {
    paths: ['retry.backoffMs', 'retry.maxBackoffMs'],
    rule: 'retry.backoffMs must not be more than retry.maxBackoffMs',
    why: 'the first wait is the shortest',
    holds: (actor) => actor.retry.backoffMs <= actor.retry.maxBackoffMs,
  },
  {
    paths: ['rate.burst', 'rate.perSecond'],
    rule: 'rate.burst must not be set without rate.perSecond',
    why: 'without a rate nothing holds a burst back',
    holds: ({ rate }) => rate.burst === null || rate.perSecond !== null,
  },
  {
    paths: ['handler', 'runOn'],
    rule: 'handler has to be a module, such as new URL("./enrich.js", import.meta.url), when runOn is threads',
    why: 'a function cannot cross to a thread',
    holds: (actor) => actor.runOn === 'main' || actor.handler instanceof URL,
  },
]
