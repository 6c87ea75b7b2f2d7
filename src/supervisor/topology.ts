/** What an app reads and writes, checked before the first record: every problem is named at once. */
import type { HandlerManifest } from '../actors/handlers/handler-manifest.ts'
import { TroupeError } from '../errors.ts'
import type { ResolvedActor, ResolvedApp } from '../options/options.ts'
import type { Delivery } from '../streams/delivery/delivery.ts'
import type { SinkDestination } from '../streams/delivery/sink.ts'
import { flowOf, type Flow } from './status/flow.ts'

export interface Topology {
  /** The actor of each input topic. */
  readonly actorOfTopic: ReadonlyMap<string, ResolvedActor>
  /** Topics that have to exist, and who needs them. */
  readonly topics: ReadonlyMap<string, readonly string[]>
  /** Topics whose partitions belong together by their number: of each actor with companions its input, and those. */
  readonly copartitioned: readonly CopartitionedTopics[]
  /** Outputs of which a checkpoint has the last record of each key. */
  readonly latestTopics: ReadonlySet<string>
  /** Tables by the name of their sink. */
  readonly destinations: ReadonlyMap<string, readonly SinkDestination[]>
  readonly flow: Flow
}

export interface CopartitionedTopics {
  readonly actor: string
  readonly input: string
  readonly companions: readonly string[]
}

/** Throws OPTIONS_INVALID or SINK_MISSING. */
export function planTopology(app: ResolvedApp, manifests: readonly HandlerManifest[]): Topology {
  const { topology, problems } = surveyTopology(app, manifests)
  const missing = app.actors.find(({ name }) => !manifests.some(({ actor }) => actor === name))
  if (missing !== undefined) throw new TroupeError('INTERNAL', `actor ${missing.name} has no manifest`)
  const [first] = problems
  if (first !== undefined) throw first
  return topology
}

/** The same of the actors that have a manifest, with every problem of each kind. */
export function surveyTopology(
  app: ResolvedApp,
  manifests: readonly HandlerManifest[],
): { readonly topology: Topology; readonly problems: readonly TroupeError[] } {
  const actorOfTopic = new Map<string, ResolvedActor>()
  const topics = new Map<string, string[]>()
  const destinations = new Map<string, SinkDestination[]>()
  const problems: string[] = []
  const missingSinks: string[] = []
  for (const actor of app.actors) {
    const manifest = manifests.find((candidate) => candidate.actor === actor.name)
    const other = manifest === undefined ? undefined : actorOfTopic.get(manifest.input)
    if (manifest !== undefined && other !== undefined) {
      problems.push(
        `actors ${other.name} and ${actor.name} both read topic ${manifest.input}; in one group each record goes to one of them only: give one its own app and groupId`,
      )
    }
    if (manifest !== undefined) {
      actorOfTopic.set(manifest.input, actor)
      note(topics, manifest.input, `input of actor ${actor.name}`)
      for (const topic of manifest.companions) note(topics, topic, `read by actor ${actor.name} beside its input`)
      for (const topic of manifest.globals ?? []) note(topics, topic, `global table of actor ${actor.name}`)
      for (const topic of manifest.outputTopics) note(topics, topic, `output of actor ${actor.name}`)
    }
    if (actor.deadLetter !== null) note(topics, actor.deadLetter, `dead letters of actor ${actor.name}`)
    for (const destination of manifest?.destinations ?? []) {
      if (Object.hasOwn(app.sinks, destination.sink)) note(destinations, destination.sink, destination)
      else missingSinks.push(`actor ${actor.name} writes table ${destination.table} to sink ${destination.sink}`)
    }
  }
  for (const actor of app.actors) {
    if (actor.deadLetter !== null && actorOfTopic.has(actor.deadLetter)) {
      problems.push(
        `actor ${actor.name}: dead-letter topic ${actor.deadLetter} is also an input: its records would go in a circle`,
      )
    }
  }
  const { latestTopics, problems: undecided } = latestTopicsOf(manifests)
  problems.push(...undecided)
  const errors: TroupeError[] = []
  if (problems.length > 0) errors.push(new TroupeError('OPTIONS_INVALID', problems.join('\n')))
  if (missingSinks.length > 0) {
    const known = Object.keys(app.sinks)
    const has = known.length === 0 ? 'no sinks' : `only: ${known.join(', ')}`
    errors.push(new TroupeError('SINK_MISSING', `${missingSinks.join('; ')}; the app has ${has}`))
  }
  const flow = flowOf(app, manifests)
  return {
    topology: { actorOfTopic, topics, copartitioned: copartitionedIn(manifests), latestTopics, destinations, flow },
    problems: errors,
  }
}

/** A topic is one thing for the whole app, whoever writes to it. */
function latestTopicsOf(manifests: readonly HandlerManifest[]): {
  readonly latestTopics: ReadonlySet<string>
  readonly problems: readonly string[]
} {
  const latestTopics = new Set(manifests.flatMap((manifest) => manifest.latestTopics))
  const problems = [...latestTopics].flatMap((topic) => {
    const writers = manifests.filter(({ outputTopics }) => outputTopics.includes(topic))
    const others = writers.filter((manifest) => !manifest.latestTopics.includes(topic)).map(({ actor }) => actor)
    if (others.length === 0) return []
    return [
      `topic ${topic} is declared with latestPerCheckpoint by some of its handlers, and without by that of ${others.join(', ')}: declare it once for all of them`,
    ]
  })
  return { latestTopics, problems }
}

function copartitionedIn(manifests: readonly HandlerManifest[]): readonly CopartitionedTopics[] {
  return manifests.flatMap(({ actor, companions, input }) =>
    companions.length === 0 ? [] : [{ actor, input, companions }],
  )
}

/** Keys of one are in other partitions than those of the other. */
export function partitionsDiffer(
  actor: string,
  [input, count]: readonly [topic: string, partitions: number],
  [companion, other]: readonly [topic: string, partitions: number],
): TroupeError {
  return new TroupeError(
    'PARTITIONS_DIFFER',
    `actor ${actor}: its input ${input} has ${count} partitions, and ${companion}, which it reads beside that, has ${other}: a key is in different partitions of them`,
  )
}

/** Rejects with TOPIC_MISSING naming every topic that is not there, or with PARTITIONS_DIFFER. */
export async function verifyTopics(topology: Topology, delivery: Pick<Delivery, 'partitionCounts'>): Promise<void> {
  const existing = await delivery.partitionCounts([...topology.topics.keys()])
  const missing = [...topology.topics].filter(([topic]) => !existing.has(topic))
  if (missing.length > 0) {
    throw new TroupeError(
      'TOPIC_MISSING',
      missing.map(([topic, users]) => `topic ${topic} does not exist (${users.join(', ')})`).join('; '),
    )
  }
  const different = topology.copartitioned.flatMap(({ actor, companions, input }) => {
    const count = existing.get(input)!
    return companions.flatMap((companion) => {
      const other = existing.get(companion)!
      return other === count ? [] : [partitionsDiffer(actor, [input, count], [companion, other])]
    })
  })
  const [first] = different
  if (first === undefined) return
  throw new TroupeError(first.code, different.map(({ message }) => message).join('; '))
}

function note<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const values = map.get(key)
  if (values === undefined) map.set(key, [value])
  else values.push(value)
}
