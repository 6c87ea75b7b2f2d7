/**
 * The repartition topics of an app, looked at once before the first record: made where there was never one, refused where one is
 * missing that had been there, or would lose records. Nothing in them is deleted by age, since nobody knows how far the
 * reading actor has come.
 */
import { sleep, type Clock } from '../clock.ts'
import { TroupeError, isTroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { BrokerAdmin } from '../streams/admin-port.ts'
import type { TopicDescription } from '../streams/broker-port.ts'

/** An actor whose records are regrouped. */
export interface RegroupedActor {
  readonly actor: string
  /** What its front reads. */
  readonly input: string
  /** What its front writes, and it reads. */
  readonly topic: string
}

export interface Repartition extends RegroupedActor {
  readonly partitions: number
  /** Partitions of the input. */
  readonly sources: number
}

export interface RepartitionOptions {
  readonly admin: BrokerAdmin
  readonly groupId: string
  /** As in the app's options, for the commands in messages. */
  readonly brokers: string
  readonly clock: Clock
  readonly log: Log
}

/** So long may a topic that was made take until all brokers know it. */
const MADE_PATIENCE_MS = 30_000
/** And one that another member may have made at its start, while this one starts. */
const OTHERS_PATIENCE_MS = 3_000
const LOOK_MS = 200

/** What such a topic is made with. */
export const repartitionSettings = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
} as const

/** By actor. Rejects with the first of REPARTITION_UNFIT, TOPIC_MISSING and TOPIC_NOT_ALLOWED, told for all actors at once. */
export async function prepareRepartitions(
  actors: readonly RegroupedActor[],
  options: RepartitionOptions,
): Promise<ReadonlyMap<string, Repartition>> {
  const topics = await options.admin.describeTopics(actors.flatMap(({ input, topic }) => [input, topic]))
  const ready = new Map<string, Repartition>()
  const errors: TroupeError[] = []
  for (const each of actors) {
    try {
      const input = topics.get(each.input)
      if (input === undefined) {
        throw new TroupeError('TOPIC_MISSING', `topic ${each.input} does not exist (input of actor ${each.actor})`)
      }
      const there = topics.get(each.topic) ?? (await makeTopic(each, input.partitions, options))
      await verifySettings(each, options)
      ready.set(each.actor, { ...each, partitions: there.partitions, sources: input.partitions })
    } catch (error) {
      if (!isTroupeError(error)) throw error
      errors.push(error)
    }
  }
  const [first] = errors
  if (first === undefined) return ready
  throw errors.length === 1
    ? first
    : new TroupeError(first.code, errors.map(({ message }) => message).join('; '), { cause: first })
}

async function makeTopic(
  { actor, input, topic }: RegroupedActor,
  partitions: number,
  options: RepartitionOptions,
): Promise<TopicDescription> {
  const { admin, brokers, groupId, log } = options
  const committed = await admin.committedPositions(groupId, [input])
  if (committed.length > 0) {
    // Of members that start at once, the first may have made it and committed since the others looked.
    const found = await lookFor(topic, OTHERS_PATIENCE_MS, options)
    if (found !== null) return found
    throw new TroupeError(
      'REPARTITION_UNFIT',
      `actor ${actor} gets its records by way of the topic ${topic}, which does not exist, though group ${groupId} has committed positions in ${input}: what was on its way would be lost. If the topic was deleted, or the actor read ${input} itself so far, \`troupe reset\` handles ${input} again, from startFrom on`,
    )
  }
  try {
    const isNew = await admin.createTopic({ topic, partitions, settings: repartitionSettings })
    if (isNew) log.info({ topic, partitions, actor }, `repartition topic ${topic} was made: ${partitions} partitions`)
  } catch (error) {
    if (!isTroupeError(error) || error.code !== 'TOPIC_NOT_ALLOWED') throw error
    const configs = Object.entries(repartitionSettings).map(([name, value]) => `--config ${name}=${value}`)
    const command = `kafka-topics --bootstrap-server ${brokers} --create --topic ${topic} --partitions ${partitions} ${configs.join(' ')}`
    const message = `actor ${actor} needs the topic ${topic}, which this user may not make: ${error.message}. Make it with: ${command}`
    throw new TroupeError('TOPIC_NOT_ALLOWED', message, { cause: error })
  }
  const made = await lookFor(topic, MADE_PATIENCE_MS, options)
  if (made !== null) return made
  const message = `topic ${topic} was made, and the brokers do not know it after ${MADE_PATIENCE_MS} ms`
  throw new TroupeError('TOPIC_MISSING', message)
}

/** null: it is not there for so long. */
async function lookFor(
  topic: string,
  patienceMs: number,
  { admin, clock }: RepartitionOptions,
): Promise<TopicDescription | null> {
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const found = (await admin.describeTopics([topic])).get(topic)
    if (found !== undefined) return found
    if (waitedMs >= patienceMs) return null
    await sleep(clock, LOOK_MS)
  }
}

/** Whatever deletes records by age or size deletes some that nobody has read. Compacted, it would lose all but the last of a key. */
async function verifySettings({ actor, topic }: RegroupedActor, { admin, brokers }: RepartitionOptions): Promise<void> {
  const told = await admin.topicSettings(topic, Object.keys(repartitionSettings))
  const wrong = Object.entries(repartitionSettings).filter(([name, wanted]) => {
    const value = told?.get(name)?.trim()
    return value !== undefined && value !== wanted
  })
  if (wrong.length === 0) return
  const has = wrong.map(([name]) => `${name} ${told?.get(name) ?? ''}`).join(', ')
  const wanted = wrong.map(([name, value]) => `${name}=${value}`).join(',')
  const command = `kafka-configs --bootstrap-server ${brokers} --alter --entity-type topics --entity-name ${topic} --add-config ${wanted}`
  throw new TroupeError(
    'REPARTITION_UNFIT',
    `actor ${actor}: its repartition topic ${topic} has ${has}, by which records would be lost before they are read: ${command}`,
  )
}
