/**
 * Giving partitions up. A revoke, lost partitions, a stop and an escalation all come through here, and the order is the
 * guarantee:
 *
 * 1. drain: what was not started is dropped, what is in flight is finished, within the deadline;
 * 2. make durable: outputs and positions of what has finished are on record, and nothing is open that could still move a position;
 * 3. give back: the group may give the partitions to somebody else;
 * 4. end the epoch: whatever comes late changes nothing any more.
 *
 * Ending the epoch first would make every clean hand-over a replay; giving back first would let the next owner begin
 * below what is still being finished here. Of partitions that are lost, or dropped by a kill, the epoch has ended before:
 * they have nothing to drain, and nothing of them is stored; what is open of them is aborted before they are given back.
 */
import type { InputProgress } from '../actors/input-progress.ts'
import type { PartitionActor } from '../actors/partition-actor.ts'
import type { Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { EngineStats } from '../metrics/stats.ts'
import type { Delivery } from '../streams/delivery/delivery.ts'
import { partitionName } from '../streams/record.ts'

export interface HandOverOptions {
  readonly delivery: Pick<Delivery, 'makeDurable' | 'atRest'>
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
  readonly drainTimeoutMs: number
}

/** What its callers do differently: whom they tell that the partitions are free, and how they forget them. */
export interface HandOverSteps<Answer> {
  /** What has finished of it is on record: the last that may be written of it. Never rejects. */
  settleState(actor: PartitionActor): Promise<void>
  giveBack(): Answer
  endEpoch(actor: PartitionActor): void
}

/** A drain that has used up its time leaves so much for what has finished by then. */
const LEAST_DURABLE_MS = 2_000

/** Resolves with what giving back has answered. */
export async function handOver<Answer>(
  actors: readonly PartitionActor[],
  steps: HandOverSteps<Answer>,
  options: HandOverOptions,
): Promise<Answer> {
  const { clock, delivery, drainTimeoutMs } = options
  const startedAt = clock.now()
  // 1. Drain.
  const drained = actors.some((actor) => !actor.isFenced) ? await drain(actors, options) : null
  // 2. Make durable. Work that overran the deadline is simply no part of it: never stored as done.
  const inputs = actors.flatMap((actor) => (actor.isFenced ? [] : actor.inputs))
  const leftMs = Math.max(LEAST_DURABLE_MS, startedAt + drainTimeoutMs - clock.now())
  if (inputs.length > 0) await delivery.makeDurable(inputs, leftMs)
  await delivery.atRest()
  await Promise.all(actors.map((actor) => (actor.isFenced ? undefined : steps.settleState(actor))))
  if (drained !== null) sayWhatIsLeft(drained, options)
  // 3. Give back.
  const answer = steps.giveBack()
  // 4. End the epoch.
  for (const actor of actors) steps.endEpoch(actor)
  return answer
}

async function drain(
  actors: readonly PartitionActor[],
  { clock, drainTimeoutMs, stats }: HandOverOptions,
): Promise<Drained> {
  const startedAt = clock.now()
  const inputs = actors.flatMap((actor) => (actor.isFenced ? [] : actor.inputs))
  const droppedBefore = new Map(inputs.map((input) => [input, input.stats.dropped]))
  const isOver = await new Promise<boolean>((resolve, reject) => {
    const cancel = clock.after(drainTimeoutMs, () => {
      resolve(false)
    })
    Promise.all(actors.map((actor) => actor.drain())).then(() => {
      cancel()
      resolve(true)
    }, reject)
  })
  stats.drainSeconds.observe((clock.now() - startedAt) / 1000)
  return { isOver, droppedBefore }
}

/** After what has finished is on record: until then its checkpoint may hold it. */
function sayWhatIsLeft({ droppedBefore, isOver }: Drained, { drainTimeoutMs, log, stats }: HandOverOptions): void {
  const left = [...droppedBefore].flatMap(([input, before]) => whatIsLeft(input, before))
  if (isOver) {
    if (left.length > 0) log.info({ left }, `the next owner handles what is left: ${describe(left)}`)
    return
  }
  stats.drainTimeouts += 1
  const late = left.filter(({ inFlight }) => inFlight > 0)
  const error = new TroupeError(
    'DRAIN_TIMEOUT',
    `work in flight did not finish within ${drainTimeoutMs} ms, and the next owner handles it again: ${describe(late)}`,
  )
  log.warn({ code: error.code, action: error.action, left }, error.message)
}

interface Drained {
  /** Within its time. */
  readonly isOver: boolean
  /** Records that were given up before, by input. */
  readonly droppedBefore: ReadonlyMap<InputProgress, number>
}

/** Records of one partition that its next owner handles. */
interface LeftRecords {
  readonly partition: string
  readonly records: number
  /** Of those, the ones that still are at a handler or a sink: not what was parked or waited for another attempt. */
  readonly inFlight: number
  readonly oldest: string
}

/** Nothing, if the epoch has ended meanwhile: then it is not known. */
function whatIsLeft(input: InputProgress, droppedBefore: number): LeftRecords[] {
  const inFlight = input.held.count
  const records = inFlight + input.stats.dropped - droppedBefore
  if (input.isFenced || records === 0) return []
  const partition = partitionName(input)
  return [{ partition, records, inFlight, oldest: `${partition}/${input.tracker.safePosition}` }]
}

function describe(left: readonly LeftRecords[]): string {
  return left.map(({ oldest, partition, records }) => `${records} of ${partition}, the oldest ${oldest}`).join('; ')
}
