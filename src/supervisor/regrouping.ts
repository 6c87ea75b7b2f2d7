/** What an app needs where records come to actors under another key: the topics in between are looked at, or made, at its start. */
import type { FrontSettings } from '../actors/front/source-outputs.ts'
import type { HandlerManifest } from '../actors/handlers/handler-manifest.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { ResolvedApp } from '../options/options.ts'
import { prepareRepartitions, type Repartition } from '../state/repartition-topic.ts'
import type { Broker } from '../streams/broker.ts'

export interface RegroupingParts {
  readonly app: ResolvedApp
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  readonly manifests: readonly HandlerManifest[]
}

export interface Regrouping {
  /** By the actor that reads the topic. */
  readonly repartitions: ReadonlyMap<string, Repartition>
  /** By the actor that is a front. */
  readonly fronts: ReadonlyMap<string, FrontSettings>
}

export const noRegrouping: Regrouping = { repartitions: new Map(), fronts: new Map() }

/** Asks nobody where no actor has a front. Rejects with REPARTITION_UNFIT, TOPIC_MISSING and TOPIC_NOT_ALLOWED. */
export async function openRegrouping({ app, broker, clock, log, manifests }: RegroupingParts): Promise<Regrouping> {
  const fronts = manifests.flatMap(({ actor, front = null, input }) =>
    front === null ? [] : [{ actor, front, input }],
  )
  if (fronts.length === 0) return noRegrouping
  const { brokers, groupId } = app.kafka
  const admin = broker.admin()
  try {
    await admin.connect()
    const actors = fronts.map(({ front, input }) => ({ actor: front.actor, input, topic: front.topic }))
    const options = { admin, groupId, brokers: brokers.join(','), clock, log }
    const repartitions = await prepareRepartitions(actors, options)
    return {
      repartitions,
      fronts: new Map(
        fronts.map(({ actor, front }) => [
          actor,
          { ...front, partitions: repartitions.get(front.actor)?.partitions ?? 1 },
        ]),
      ),
    }
  } finally {
    await admin.disconnect()
  }
}
