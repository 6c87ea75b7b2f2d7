/**
 * What keeps an actor from doing more: one thing, in one sentence. Each sample of the last seconds is judged by itself,
 * by where the records stand that were read and are not finished; what most of them say is the constraint. An instant
 * says little: between two polls of a busy member nothing may be ready, and in a quiet one a poll has just come in.
 */
import type { ResolvedActor, ResolvedApp } from '../../options/options.ts'
import type { ConstraintName } from '../../metrics/stats.ts'
import { partitionName } from '../../streams/record.ts'
import { behindOthers, type ActorSample, type PartitionLoad } from './load.ts'
import { listOf, many, percent, verb, seconds } from './wording.ts'

export interface Constraint {
  readonly by: ConstraintName
  /** The sink, the option, the key or the partition; null where there is only one of the kind. */
  readonly subject: string | null
  readonly why: string
}

/** The constraint over the time of the samples, and how sure that is. */
export interface BindingConstraint extends Constraint {
  /** Share of the samples that say so. */
  readonly share: number
}

export interface ConstraintContext {
  readonly actor: Pick<ResolvedActor, 'runOn' | 'order'>
  readonly threads: number
  readonly intake: ResolvedApp['intake']
}

/** The main thread does nothing else any more. */
const BUSY_LOOP = 0.95
/** Reading has waited since the limit, and goes on when a quarter is free again. */
const INTAKE_FULL = 0.75

/** `samples` in the order of time. null: there are none. */
export function findConstraint(samples: readonly ActorSample[], context: ConstraintContext): BindingConstraint | null {
  const votes = new Map<string, { constraint: Constraint; count: number }>()
  let most: { constraint: Constraint; count: number } | null = null
  for (const sample of samples) {
    const constraint = judge(sample, context)
    const name = `${constraint.by} ${constraint.subject ?? ''}`
    const vote = { constraint, count: (votes.get(name)?.count ?? 0) + 1 }
    votes.set(name, vote)
    // Of two that are as frequent the later one holds; and its words are those of its last sample.
    if (most === null || vote.count >= most.count) most = vote
  }
  return most === null ? null : { ...most.constraint, share: Math.round((100 * most.count) / samples.length) / 100 }
}

type Held = Record<
  'held' | 'ready' | 'atHandler' | 'atSinks' | 'atCheckpoint' | 'waiting' | 'parked' | 'behind',
  number
>

function judge(sample: ActorSample, context: ConstraintContext): Constraint {
  const { partitions } = sample
  if (partitions.length === 0) return { by: 'input', subject: null, why: 'no partition of its topic is assigned here' }
  const open = partitions.filter(({ stops }) => !closing.some((stop) => stops.includes(stop)))
  if (open.length === 0) return stopped(partitions)
  const held = sumOf(open)
  return (
    checkpointHeld(sample, held) ??
    sinkAway(sample, held) ??
    heldBack(sample, held) ??
    (isFull(sample) && held.ready > 0 ? fullExecutor(sample, held, context) : null) ??
    intakeStopped(sample, open, context) ??
    openIntake(sample, open, held, context) ??
    input(partitions, open)
  )
}

/** Of a partition that takes in nothing, for a reason that none of its records is. */
const closing = ['halted', 'user', 'restoring'] as const

function stopped(partitions: readonly PartitionLoad[]): Constraint {
  const halted = partitions.filter(({ stops }) => stops.includes('halted'))
  const restoring = partitions.filter(({ stops }) => stops.includes('restoring'))
  if (halted.length === 0 && restoring.length > 0) return beingRestored(restoring)
  const subject = listOf(halted.length > 0 ? halted : partitions)
  const why =
    halted.length > 0
      ? `the actor stopped on a record of ${subject}, which /healthz names; nothing else comes in`
      : `the intake of ${subject} was paused by hand; supervisor.resume() lets it go on`
  return { by: 'stopped', subject, why }
}

/** Others have nothing to do with it: the slowest of them says for how long. */
function beingRestored(partitions: readonly PartitionLoad[]): Constraint {
  const subject = listOf(partitions)
  const restores = partitions.flatMap(({ restore }) => restore ?? [])
  const records = restores.reduce((sum, each) => sum + each.records, 0)
  const left = Math.max(...restores.map(({ leftMs }) => leftMs ?? Infinity))
  const until = Number.isFinite(left) ? `about ${seconds(left)} to go` : 'nobody can tell yet for how long'
  const trouble = restores.find((each) => each.trouble !== null)?.trouble ?? null
  const why = `the state of ${subject} is being restored from its changelog: ${many(records, 'record')} read, ${trouble ?? until}`
  return { by: 'restoring', subject, why }
}

/** What is handled cannot become durable, and in the end nothing more can be taken in. */
function checkpointHeld({ sinks }: ActorSample, { atCheckpoint }: Held): Constraint | null {
  const away = sinks.find(({ trouble }) => trouble !== null)
  if (away === undefined || atCheckpoint === 0) return null
  const subject = away.name === 'kafka' ? 'brokers' : away.name
  const whom = away.name === 'kafka' ? 'the brokers' : `sink ${away.name}`
  const why = `the checkpoint of ${many(atCheckpoint, 'handled record')} waits for ${whom}: ${away.trouble}`
  return { by: 'checkpoint', subject, why }
}

function sinkAway({ sinks }: ActorSample, { atSinks }: Held): Constraint | null {
  const away = sinks.find(({ queued, trouble }) => trouble !== null && queued > 0)
  if (away === undefined || atSinks === 0) return null
  const why = `sink ${away.name} is unavailable and ${many(away.queued, 'output')} ${verb(away.queued, 'waits', 'wait')} for it: ${away.trouble}`
  return { by: 'sink', subject: away.name, why }
}

/** By what the service or the user has said: nothing else would do more. */
function heldBack({ heldBack: reason }: ActorSample, { ready, waiting }: Held): Constraint | null {
  if (reason === null) return null
  if (reason.type === 'throttle') {
    const { by, forMs, sinceMs } = reason.throttle
    if (ready + waiting === 0) return null
    const why = `what the handler calls has asked to slow down, for ${seconds(sinceMs)} now, last at record ${by}; it goes on in ${seconds(forMs)}, and ${many(ready + waiting, 'record')} ${verb(ready + waiting, 'waits', 'wait')} for it`
    return { by: 'throttled', subject: null, why }
  }
  if (ready === 0) return null
  const why = `held back by rate: ${reason.perSecond}/s, ${many(ready, 'record')} ready: raise rate.perSecond, if what the handler calls can take more`
  return { by: 'rate', subject: 'rate.perSecond', why }
}

function isFull(sample: ActorSample): boolean {
  return sample.isFull || sample.isAtConcurrency
}

function fullExecutor(sample: ActorSample, held: Held, { actor, threads }: ConstraintContext): Constraint {
  const ready =
    held.ready === 0
      ? 'reading waits for them'
      : `${many(held.ready, 'record')} ${verb(held.ready, 'is ready and waits', 'are ready and wait')}`
  if (sample.isAtConcurrency && sample.adaptive !== null && sample.leftOverCalls === 0) {
    const { max, why } = sample.adaptive
    const more = held.atHandler < max ? 'more would only queue there' : 'raise concurrency.max'
    const records = `${many(held.atHandler, 'record')} ${verb(held.atHandler, 'is', 'are')} in progress`
    const text = `${records}, as many as what the handler calls takes (${why}), and ${ready}: ${more}`
    return { by: 'limit', subject: 'concurrency', why: text }
  }
  if (sample.isAtConcurrency) return { by: 'limit', subject: 'concurrency', why: whyAtConcurrency(sample, held, ready) }
  if (actor.runOn === 'threads') {
    const why = `${verb(threads, 'the only thread has as much as it takes', `all ${threads} threads have as much as they take`)} and ${ready}: more cores and threads.count, or another process, would do more`
    return { by: 'threads', subject: null, why }
  }
  return mainBusy(sample, ready)
}

/** Raising it makes room for more calls that are given up, where it is those that hold the places. */
function whyAtConcurrency({ concurrency, leftOverCalls }: ActorSample, { atHandler }: Held, ready: string): string {
  if (leftOverCalls > 0 && leftOverCalls * 2 >= concurrency) {
    const calls = many(leftOverCalls, 'call')
    return `${calls} that ${verb(leftOverCalls, 'was', 'were')} given up ${verb(leftOverCalls, 'holds', 'hold')} ${leftOverCalls} of the ${many(concurrency, 'place')} of concurrency until ${verb(leftOverCalls, 'it ends', 'they end')}, and ${ready}: let the handler heed its abort signal; a restart ends them`
  }
  return `${many(atHandler, 'record')} ${verb(atHandler, 'is', 'are')} in progress, as many as concurrency allows, and ${ready}: raise it, if what the handler calls can take more`
}

function mainBusy({ loopBusy }: ActorSample, because: string): Constraint {
  const why = `the main thread is busy for ${percent(loopBusy)} of the time and ${because}: see what runs on it, and the advice on runOn`
  return { by: 'main', subject: null, why }
}

/** Reading has stopped, by a limit of all or of some partitions: what do those hold that is so much? */
function intakeStopped(
  sample: ActorSample,
  open: readonly PartitionLoad[],
  context: ConstraintContext,
): Constraint | null {
  const atMap = open.find(({ stops }) => stops.includes('completion-map'))
  if (atMap !== undefined) {
    const subject = partitionName(atMap)
    const why = `the completion map of ${subject} is near what a commit can carry, so it takes in nothing until the record that its position waits for is finished`
    return { by: 'limit', subject: `completion map of ${subject}`, why }
  }
  const byKeys = open.filter(({ stops }) => stops.includes('waiting-keys'))
  if (byKeys.length > 0) return waiting(byKeys)
  const limit = limitOf(sample, open, context)
  if (limit === null) return null
  const { partitions } = limit
  const held = sumOf(partitions)
  const places = [
    [sample.sinks.length === 0 ? 0 : held.atSinks, () => fullSink(sample, held)],
    [held.atCheckpoint, () => slowCheckpoint(held)],
    [held.behind, () => skew(partitions, held, context)],
    [held.waiting, () => waiting(partitions)],
    [held.atHandler + held.ready, () => (isFull(sample) ? fullExecutor(sample, held, context) : limit.constraint)],
  ] as const
  return places.reduce((most, place) => (place[0] > most[0] ? place : most))[1]()
}

function limitOf(
  { bytesInFlight, recordsInFlight }: ActorSample,
  open: readonly PartitionLoad[],
  { intake }: ConstraintContext,
): { readonly constraint: Constraint; readonly partitions: readonly PartitionLoad[] } | null {
  const reached = (
    option: keyof ResolvedApp['intake'],
    [count, unit, of]: readonly [count: number, unit: string, of: string],
    partitions: readonly PartitionLoad[],
  ) => {
    const why = `${many(count, unit)}${of} ${verb(count, 'is', 'are')} read and not finished, as many as intake.${option} allows, while what runs them could take more: raise it`
    return { constraint: { by: 'limit', subject: `intake.${option}`, why } as const, partitions }
  }
  if (recordsInFlight >= intake.maxRecords * INTAKE_FULL) {
    return reached('maxRecords', [recordsInFlight, 'record', ''], open)
  }
  if (bytesInFlight >= intake.maxBytes * INTAKE_FULL) return reached('maxBytes', [bytesInFlight, 'byte', ''], open)
  const capped = open.filter(({ stops }) => stops.includes('limit'))
  if (capped.length === 0) return null
  const { held } = sumOf(capped)
  // Which of the two it is shows while the partition fills up, not while it comes down to where it is resumed.
  const isByRecords = capped.some((partition) => partition.held >= intake.maxPartitionRecords * (1 - INTAKE_FULL))
  const option = isByRecords ? 'maxPartitionRecords' : 'maxPartitionBytes'
  return reached(option, [held, 'record', ` of ${listOf(capped)}`], capped)
}

/** There is room for more: then only what stands here and cannot go on is a constraint. */
function openIntake(
  sample: ActorSample,
  open: readonly PartitionLoad[],
  held: Held,
  context: ConstraintContext,
): Constraint | null {
  if (held.held > 0 && held.behind * 2 >= held.held) return skew(open, held, context)
  if (held.held > 0 && held.waiting * 2 >= held.held) return waiting(open)
  if (backlogOf(open) === 0 || sample.loopBusy < BUSY_LOOP) return null
  return mainBusy(sample, leftInLog(backlogOf(open)))
}

function fullSink({ sinks }: ActorSample, { atSinks }: Held): Constraint {
  const fullest = sinks.reduce((most, sink) => (sink.queued > most.queued ? sink : most), sinks[0]!)
  const why = `${many(atSinks, 'record')} ${verb(atSinks, 'waits for its', 'wait for their')} outputs, ${fullest.queued} of which ${verb(fullest.queued, 'is', 'are')} queued for sink ${fullest.name}: it takes no more than it does`
  return { by: 'sink', subject: fullest.name, why }
}

function slowCheckpoint({ atCheckpoint }: Held): Constraint {
  const why = `${many(atCheckpoint, 'record')} ${verb(atCheckpoint, 'is handled and waits for its', 'are handled and wait for their')} checkpoint, so nothing more is taken in: troupe_checkpoint_step_duration_seconds says which step takes so long`
  return { by: 'checkpoint', subject: null, why }
}

function skew(partitions: readonly PartitionLoad[], held: Held, { actor }: ConstraintContext): Constraint {
  const largest = partitions.reduce((most, one) => (behindOthers(one) > behindOthers(most) ? one : most))
  const wait = `${many(held.behind, 'record')} ${verb(held.behind, 'waits for others of its', 'wait for others of their')}`
  const room = `while ${actor.runOn === 'threads' ? 'threads are' : 'main is'} free for other work`
  if (actor.order !== 'key') {
    const subject = partitionName(largest)
    const why = `${wait} partition, most of them (${behindOthers(largest)}) of ${subject}, ${room}: order 'key', or more partitions`
    return { by: 'hot-partition', subject, why }
  }
  const lane = largest.largestLane
  const key = lane?.key ?? null
  const share = lane === null ? '' : `, ${lane.records} of them of ${key === null ? 'one key' : `key ${key}`}`
  const why = `${wait} key${share} (${partitionName(largest)}), ${room}: one key is handled one record at a time`
  return { by: 'key-skew', subject: key, why }
}

function waiting(partitions: readonly PartitionLoad[]): Constraint {
  const { parked, waiting: records } = sumOf(partitions)
  if (parked > 0) {
    const why = `${many(records, 'record')} ${verb(records, 'is parked or waits', 'are parked or wait')} behind parked ones: /parked lists them, and an operator decides`
    return { by: 'limit', subject: 'parked keys', why }
  }
  const why = `${many(records, 'record')} ${verb(records, 'waits', 'wait')} for another attempt, or behind one that does: /status says for each partition what failed`
  return { by: 'retries', subject: null, why }
}

function input(all: readonly PartitionLoad[], open: readonly PartitionLoad[]): Constraint {
  const backlog = backlogOf(open)
  const closed = all.filter((partition) => !open.includes(partition))
  if (backlog === 0 && backlogOf(closed) > 0) return stopped(closed)
  if (backlog > 0) {
    const why = `the broker gives no more: ${leftInLog(backlog)}, and what was read does not wait here`
    return { by: 'input', subject: null, why }
  }
  const places = placesOf(sumOf(all))
  const why =
    places.length === 0
      ? 'there is nothing more to take: what comes in is handled as it comes'
      : `all that the log has is read; of that ${places.join(', ')}`
  return { by: 'input', subject: null, why }
}

function leftInLog(records: number): string {
  return `${many(records, 'record')} ${verb(records, 'is', 'are')} left in the log`
}

/** Where the records stand that were read and are not finished. Empty: there are none. */
function placesOf(held: Held): string[] {
  const places: readonly (readonly [count: number, one: string, several: string])[] = [
    [held.ready, 'is ready', 'are ready'],
    [held.atHandler, 'is at the handler', 'are at the handler'],
    [held.atSinks, 'waits for its outputs', 'wait for their outputs'],
    [held.atCheckpoint, 'waits for its checkpoint', 'wait for their checkpoint'],
    [held.parked, 'is parked', 'are parked'],
    [
      held.waiting - held.parked,
      'waits for another attempt or behind a failed one',
      'wait for another attempt or behind a failed one',
    ],
    [held.behind, 'waits for others of its key or partition', 'wait for others of their key or partition'],
  ]
  return places.flatMap(([count, one, several]) =>
    count > 0 ? [`${many(count, 'record')} ${verb(count, one, several)}`] : [],
  )
}

/** Records that are still in the log. The end of the log is asked for every few seconds only. */
function backlogOf(partitions: readonly PartitionLoad[]): number {
  return partitions.reduce((sum, { unread }) => sum + (unread ?? 0), 0)
}

function sumOf(partitions: readonly PartitionLoad[]): Held {
  const sum: Held = { held: 0, ready: 0, atHandler: 0, atSinks: 0, atCheckpoint: 0, waiting: 0, parked: 0, behind: 0 }
  for (const partition of partitions) {
    sum.held += partition.held
    sum.ready += partition.ready
    sum.atHandler += partition.atHandler
    sum.atSinks += partition.atSinks
    sum.atCheckpoint += partition.atCheckpoint
    sum.waiting += partition.waiting
    sum.parked += partition.parked
    sum.behind += behindOthers(partition)
  }
  return sum
}
