/** An app's whole flow: what each of its actors reads, keeps and writes, those first from which others read. */
import type { HandlerManifest } from '../../actors/handlers/handler-manifest.ts'
import { isStateful } from '../../actors/handlers/handler-manifest.ts'
import type { ResolvedApp } from '../../options/options.ts'
import { changelogTopic } from '../../state/changelog-topic.ts'

export interface FlowActor {
  readonly name: string
  /** `handler`, `batch handler`, or what kind of operator it is: `join`, … */
  readonly what: string
  /** Topics. The first is the one that its group reads. */
  readonly reads: readonly string[]
  /** Names of what it keeps for each key, and the topic of ours that has it. */
  readonly keeps: readonly string[]
  readonly changelog: string | null
  /** Topics. */
  readonly writes: readonly string[]
  /** Tables, as `sink.table`. */
  readonly rows: readonly string[]
  readonly deadLetters: string | null
}

export type Flow = readonly FlowActor[]

/** Of the actors that have a manifest. */
export function flowOf(app: Pick<ResolvedApp, 'actors' | 'kafka'>, manifests: readonly HandlerManifest[]): Flow {
  const actors = app.actors.flatMap(({ deadLetter, name }): FlowActor[] => {
    const manifest = manifests.find(({ actor }) => actor === name)
    if (manifest === undefined) return []
    const { destinations, inputs, outputTopics, states, what } = manifest
    return [
      {
        name,
        what,
        reads: inputs,
        keeps: states.map((state) => state.name),
        changelog: isStateful(manifest) ? changelogTopic(app.kafka.groupId, name) : null,
        writes: outputTopics,
        rows: destinations.map(({ sink, table }) => `${sink}.${table}`),
        deadLetters: deadLetter,
      },
    ]
  })
  return upstreamFirst(actors)
}

/** As they stand where they feed each other in a circle. */
function upstreamFirst(actors: readonly FlowActor[]): Flow {
  const ordered: FlowActor[] = []
  const seen = new Set<FlowActor>()
  const visit = (actor: FlowActor): void => {
    if (seen.has(actor)) return
    seen.add(actor)
    for (const other of actors) if (other.writes.some((topic) => actor.reads.includes(topic))) visit(other)
    ordered.push(actor)
  }
  for (const actor of actors) visit(actor)
  return ordered
}
