/**
 * The changelog topics of an app, looked at once before the first record: made where there was never one, refused where one
 * is missing that had been there, or would lose state. A record of partition p of the input has its state in partition p.
 */
import { TroupeError, isTroupeError } from '../errors.ts'
import { sleep, type Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { BrokerAdmin } from '../streams/admin-port.ts'
import type { TopicDescription } from '../streams/broker-port.ts'

/** An actor that keeps state. */
export interface StatefulActor {
  readonly actor: string
  readonly input: string
}

export interface Changelog extends StatefulActor {
  readonly topic: string
  /** null: the brokers do not tell. */
  readonly id: string | null
  readonly partitions: number
  /** Tombstones are kept for so long, milliseconds. */
  readonly deleteRetentionMs: number
  readonly limit: RecordLimit
}

/** The largest record that may go there. */
export interface RecordLimit {
  readonly bytes: number
  /** What has to be raised for larger ones. */
  readonly setting: string
}

export interface ChangelogOptions {
  readonly admin: BrokerAdmin
  readonly groupId: string
  /** As in the app's options, for the commands in messages. */
  readonly brokers: string
  /** The largest record that our own client takes. */
  readonly maxRecordBytes: number
  /** The largest batch of several records that it makes. */
  readonly batchBytes: number
  readonly clock: Clock
  readonly log: Log
}

/** As the brokers have it by default. */
const DELETE_RETENTION_MS = 24 * 60 * 60 * 1000
/** So long may a topic that was made take until all brokers know it. */
const MADE_PATIENCE_MS = 30_000
/** And one that another member may have made at its start, while this one starts. */
const OTHERS_PATIENCE_MS = 3_000
const LOOK_MS = 200
/** What a batch and its record take beside key and value, generously. */
const FRAME_BYTES = 100

/** Said where there are positions, and no state that could belong to them. */
export const waysToBegin =
  'If the app has kept no state so far, or the actor had another name, say how it is to begin: `troupe reset` handles the input again, from startFrom on, and writes its outputs again; a new kafka.groupId with startFrom latest begins with what comes from now on.'

export function changelogTopic(groupId: string, actor: string): string {
  return `${groupId}-${actor}-changelog`
}

/** By actor. Rejects with the first of CHANGELOG_LOST, CHANGELOG_UNFIT, TOPIC_MISSING and TOPIC_NOT_ALLOWED, told for all actors at once. */
export async function prepareChangelogs(
  actors: readonly StatefulActor[],
  options: ChangelogOptions,
): Promise<ReadonlyMap<string, Changelog>> {
  const topicOf = ({ actor }: StatefulActor): string => changelogTopic(options.groupId, actor)
  const topics = await options.admin.describeTopics(actors.flatMap((each) => [each.input, topicOf(each)]))
  const ready = new Map<string, Changelog>()
  const errors: TroupeError[] = []
  for (const each of actors) {
    const topic = topicOf(each)
    try {
      const input = topics.get(each.input)
      if (input === undefined) {
        throw new TroupeError('TOPIC_MISSING', `topic ${each.input} does not exist (input of actor ${each.actor})`)
      }
      const there = topics.get(topic) ?? (await makeChangelog(topic, each, input.partitions, options))
      ready.set(each.actor, await verify(topic, each, input, there, options))
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

/** The input of an actor has a partition that its changelog has not: the keys that it holds now were in others before. */
export function outgrown({ actor, input, partitions, topic }: Changelog, now: number): TroupeError {
  return new TroupeError(
    'CHANGELOG_UNFIT',
    `actor ${actor}: its input ${input} has ${now} partitions and its changelog ${topic} has ${partitions}: keys are in other partitions than their state. Partitions of an input with state cannot be changed; write to a new topic with ${now} partitions, or start anew with \`troupe reset\``,
  )
}

async function makeChangelog(
  topic: string,
  { actor, input }: StatefulActor,
  partitions: number,
  options: ChangelogOptions,
): Promise<TopicDescription> {
  const { admin, brokers, groupId, log } = options
  const committed = await admin.committedPositions(groupId, [input])
  if (committed.length > 0) {
    // Of members that start at once, the first may have made it and committed since the others looked.
    const found = await lookFor(topic, OTHERS_PATIENCE_MS, options)
    if (found !== null) return found
    const places = committed.map(({ partition, position }) => `${input}/${partition}@${position}`).slice(0, 5)
    const more = committed.length > places.length ? `, … (${committed.length} partitions)` : ''
    throw new TroupeError(
      'CHANGELOG_LOST',
      `actor ${actor} keeps state, and its changelog ${topic} does not exist, though group ${groupId} has committed ${places.join(', ')}${more}: state would begin empty in the middle of the input. ${waysToBegin} If the topic was deleted, bring it back, or reset`,
    )
  }
  try {
    const isNew = await admin.createTopic({ topic, partitions, settings: { 'cleanup.policy': 'compact' } })
    if (isNew)
      log.info({ topic, partitions, actor }, `changelog ${topic} was made: ${partitions} partitions, compacted`)
  } catch (error) {
    if (!isTroupeError(error) || error.code !== 'TOPIC_NOT_ALLOWED') throw error
    const command = `kafka-topics --bootstrap-server ${brokers} --create --topic ${topic} --partitions ${partitions} --config cleanup.policy=compact`
    const message = `actor ${actor} keeps state and needs the topic ${topic}, which this user may not make: ${error.message}. Make it with: ${command}`
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
  { admin, clock }: ChangelogOptions,
): Promise<TopicDescription | null> {
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const found = (await admin.describeTopics([topic])).get(topic)
    if (found !== undefined) return found
    if (waitedMs >= patienceMs) return null
    await sleep(clock, LOOK_MS)
  }
}

async function verify(
  topic: string,
  of: StatefulActor,
  input: TopicDescription,
  { id, partitions }: TopicDescription,
  { admin, batchBytes, brokers, maxRecordBytes }: ChangelogOptions,
): Promise<Changelog> {
  const settings = await admin.topicSettings(topic, ['cleanup.policy', 'delete.retention.ms', 'max.message.bytes'])
  const maxMessageBytes = numberIn(settings, 'max.message.bytes')
  const changelog: Changelog = {
    ...of,
    topic,
    id,
    partitions,
    deleteRetentionMs: numberIn(settings, 'delete.retention.ms') ?? DELETE_RETENTION_MS,
    limit: limitOf(topic, maxMessageBytes, maxRecordBytes),
  }
  if (partitions !== input.partitions) throw outgrown(changelog, input.partitions)
  const policy = settings?.get('cleanup.policy')
  if (policy !== undefined && policy.trim() !== 'compact') {
    const command = `kafka-configs --bootstrap-server ${brokers} --alter --entity-type topics --entity-name ${topic} --add-config cleanup.policy=compact`
    throw new TroupeError(
      'CHANGELOG_UNFIT',
      `actor ${of.actor}: its changelog ${topic} has cleanup.policy ${policy}, which deletes state by age; it has to be compact: ${command}`,
    )
  }
  if (maxMessageBytes !== null && maxMessageBytes < batchBytes) {
    throw new TroupeError(
      'CHANGELOG_UNFIT',
      `actor ${of.actor}: its changelog ${topic} takes batches of ${maxMessageBytes} bytes at most (max.message.bytes), and larger ones of small records are made (producer.batchBytes is ${batchBytes}), which it would refuse: raise the one, or lower the other`,
    )
  }
  return changelog
}

function limitOf(topic: string, maxMessageBytes: number | null, maxRecordBytes: number): RecordLimit {
  if (maxMessageBytes === null || maxRecordBytes < maxMessageBytes)
    return { bytes: maxRecordBytes - FRAME_BYTES, setting: 'message.max.bytes in kafka.client' }
  return { bytes: maxMessageBytes - FRAME_BYTES, setting: `max.message.bytes of topic ${topic}` }
}

function numberIn(settings: ReadonlyMap<string, string> | null, name: string): number | null {
  const text = settings?.get(name)
  const number = Number(text)
  return text === undefined || text === '' || !Number.isFinite(number) ? null : number
}
