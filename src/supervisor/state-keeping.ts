/** What an app needs to keep state, opened at its start: its changelogs are looked at, or made, and its stores opened. */
import { isStateful, type HandlerManifest } from '../actors/handlers/handler-manifest.ts'
import type { Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ResolvedApp } from '../options/options.ts'
import { prepareChangelogs } from '../state/changelog-topic.ts'
import type { Repartition } from '../state/repartition-topic.ts'
import type { StateQuestion } from '../state/state-question.ts'
import { reportState, type StateReport } from '../state/state-report.ts'
import type { Stores } from '../state/store.ts'
import type { Broker } from '../streams/broker.ts'
import { maxRecordBytesOf } from './guarantee.ts'
import type { KeptPartition, StateKeeping } from './restoring.ts'

export interface StateKeepingParts {
  readonly app: ResolvedApp
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  readonly manifests: readonly HandlerManifest[]
  readonly openStores: () => Promise<Stores>
  readonly keepsTransactions: boolean
  /** By the actor that reads it; none unless given. */
  readonly repartitions?: ReadonlyMap<string, Repartition>
}

/** null: no handler keeps state, and nothing was asked of anybody. */
export async function openStateKeeping(parts: StateKeepingParts): Promise<StateKeeping | null> {
  const {
    app,
    broker,
    clock,
    log,
    manifests,
    openStores,
    keepsTransactions,
    repartitions = new Map<string, Repartition>(),
  } = parts
  const stateful = manifests.filter(isStateful)
  if (stateful.length === 0) return null
  const { brokers, groupId } = app.kafka
  const admin = broker.admin()
  try {
    await admin.connect()
    const { batchBytes } = app.producer
    const maxRecordBytes = maxRecordBytesOf(app)
    const options = { admin, groupId, brokers: brokers.join(','), batchBytes, maxRecordBytes, clock, log }
    const changelogs = await prepareChangelogs(stateful, options)
    return {
      groupId,
      changelogs,
      shapes: new Map(stateful.map(({ actor, states }) => [actor, states])),
      timers: new Map(stateful.map(({ actor, timers }) => [actor, timers])),
      sources: new Map([...repartitions].map(([actor, { sources }]) => [actor, sources])),
      companions: new Map(stateful.map(({ actor, companions }) => [actor, companions])),
      keepsTransactions,
      openReader: (name) => broker.reader(name),
      stores: await openStores(),
    }
  } finally {
    await admin.disconnect()
  }
}

/** What a process has of an actor's state, for people. Throws NO_STATE. */
export function reportOf(
  keeping: StateKeeping | null,
  question: StateQuestion,
  partitions: Iterable<KeptPartition>,
  nowMs: number,
): StateReport {
  const { actor } = question
  const shapes = keeping?.shapes.get(actor)
  const changelog = keeping?.changelogs.get(actor)
  if (keeping === null || shapes === undefined || changelog === undefined) {
    const others = [...(keeping?.shapes.keys() ?? [])].join(', ')
    const known = others === '' ? 'no actor of this app does' : `those that do: ${others}`
    throw new TroupeError('NO_STATE', `actor ${actor} keeps no state; ${known}`)
  }
  const kept = { shapes, kind: keeping.stores.kind, partitionCount: changelog.partitions, partitions }
  return reportState(question, kept, nowMs)
}
