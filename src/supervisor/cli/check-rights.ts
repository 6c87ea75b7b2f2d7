/** What exactly-once asks of brokers and of this user's rights, as `troupe check --connect` looks at it: nothing is written or made. */
import { isStateful, type HandlerManifest } from '../../actors/handlers/handler-manifest.ts'
import { TroupeError } from '../../errors.ts'
import type { ResolvedApp } from '../../options/options.ts'
import { frontName, repartitionTopic } from '../../operators/regroup/regrouped.ts'
import { changelogTopic } from '../../state/changelog-topic.ts'
import { repartitionSettings } from '../../state/repartition-topic.ts'
import type { BrokerAdmin, NewTopic } from '../../streams/admin-port.ts'
import type { Broker } from '../../streams/broker.ts'
import type { Topology } from '../topology.ts'
import { givenTransactionalId, transactionalIdOf } from '../transactional-id.ts'

/** Where the id of each process is another, this one stands for them. */
const ANY_PROCESS = 'check'

export interface RightsParts {
  readonly app: ResolvedApp
  readonly manifests: readonly HandlerManifest[]
  readonly topology: Topology
  /** Partitions of the topics that are there. */
  readonly counts: ReadonlyMap<string, number>
  readonly broker: Broker
  readonly attempt: (step: () => Promise<void>, where?: string) => Promise<boolean>
}

/** Lines on what was found good; empty for an app at least once. */
export async function askForRights(parts: RightsParts): Promise<readonly string[]> {
  const { app, attempt, broker, manifests } = parts
  if (app.guarantee !== 'exactly-once' && !manifests.some(isStateful)) return []
  const found: string[] = []
  const admin = broker.admin()
  await attempt(async () => {
    try {
      await admin.connect()
      if (!(await admin.keepsTransactions())) {
        found.push(
          'exactly-once: these brokers keep no transactions (embedded): outputs can be seen twice after a crash',
        )
        return
      }
      await attempt(() => admin.verifyTransactions())
      await attempt(async () => {
        found.push(await tryId(app, broker, admin))
      })
      await attempt(async () => {
        found.push(await lookAtRights(parts, admin))
      })
    } finally {
      await admin.disconnect()
    }
  })
  return found
}

/** Whoever takes an id fences the process that has it, so that of a group with members is left alone. */
async function tryId(app: ResolvedApp, broker: Broker, admin: BrokerAdmin): Promise<string> {
  const given = givenTransactionalId(app)
  const transactionalId = transactionalIdOf(app, given ?? ANY_PROCESS)
  if (given !== null && (await admin.groupMembers(app.kafka.groupId)).length > 0) {
    return `transactional id ${transactionalId}: not tried, because members of the group are alive`
  }
  const { transactionTimeoutMs } = app
  const producer = broker.transactionalProducer({ transactionalId, transactionTimeoutMs })
  try {
    await producer.connect()
  } finally {
    await producer.disconnect()
  }
  return `transactional id ${transactionalId}: may be used`
}

async function lookAtRights({ app, manifests, topology, counts }: RightsParts, admin: BrokerAdmin): Promise<string> {
  const { groupId } = app.kafka
  const internal = manifests.filter(isStateful).flatMap((manifest) => internalTopics(manifest, groupId, counts))
  const there = await admin.describeTopics(internal.map(({ topic }) => topic))
  const kept = internal.map(({ topic }) => topic).filter((topic) => there.has(topic))
  const inputs = new Set(topology.actorOfTopic.keys())
  const outputs = [...topology.topics.keys()].filter((topic) => !inputs.has(topic) || isWritten(topic, manifests))
  const missing = await admin.missingRights({
    groupId,
    read: [...[...inputs].filter((topic) => counts.has(topic)), ...kept],
    write: [...outputs.filter((topic) => counts.has(topic)), ...kept],
    create: internal.filter(({ topic }) => !there.has(topic)),
  })
  if (missing === null) return 'rights: these brokers do not tell'
  if (missing.length > 0) {
    const all = missing.map(({ right, on }) => `${right} on ${on}`).join(', ')
    throw new TroupeError('TRANSACTION_NOT_ALLOWED', `exactly-once needs rights that this user has not: ${all}`)
  }
  return `rights for exactly-once: ${[...outputs, ...internal.map(({ topic }) => topic), groupId].join(', ')}`
}

/** What a start makes where it is not there, and reads and writes. */
function internalTopics(
  { actor, input, isFronted = false }: HandlerManifest,
  groupId: string,
  counts: ReadonlyMap<string, number>,
): readonly NewTopic[] {
  const partitions = counts.get(input) ?? 1
  const stateful = isFronted ? [actor, frontName(actor)] : [actor]
  const changelogs = stateful.map((name) => ({
    ...{ topic: changelogTopic(groupId, name), partitions },
    settings: { 'cleanup.policy': 'compact' },
  }))
  if (!isFronted) return changelogs
  return [...changelogs, { topic: repartitionTopic(groupId, actor), partitions, settings: repartitionSettings }]
}

function isWritten(topic: string, manifests: readonly HandlerManifest[]): boolean {
  return manifests.some(({ outputTopics }) => outputTopics.includes(topic))
}
