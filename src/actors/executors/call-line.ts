/**
 * Takes the calls of batch handlers from what is ready: records of one actor, over lanes and partitions. What becomes ready
 * within one turn of the event loop (a poll, the end of a call, records whose back-off is over) goes together: the first of
 * it does not go without the others. A call goes as soon as there is room, with what has piled up by then; or, where its
 * handler waits for more (`maxWaitMs`), when it is full or its oldest record has waited for long enough. A record that goes
 * alone waits for nobody once it is the first of its partition's line, and nobody for it.
 */
import type { Clock } from '../../clock.ts'
import type { CallLimits } from '../handlers/batch-handler.ts'
import { endsRun, isNoAttempt, type Verdict } from '../handlers/verdict.ts'
import type { PartitionActor } from '../partition-actor.ts'
import type { Allowance } from './allowance.ts'
import type { DispatchedRun, Executor } from './executor.ts'

/** The partitions of one actor that have something ready. The first is served next. */
interface Owners {
  readonly limits: CallLimits
  list: PartitionActor[]
  /** At the last look there was less room than a call should have. */
  lacksRoom: boolean
}

export class CallLine {
  /** A call may go: the turn in which something became ready is over, or it has waited for long enough. */
  onDue: () => void = () => undefined
  readonly #executor: Executor
  readonly #clock: Clock
  readonly #limited: ReadonlyMap<string, Allowance>
  /** By the actor's name. The first is served next. */
  readonly #owners = new Map<string, Owners>()
  readonly #enlisted = new Set<PartitionActor>()
  #cancelDue: () => void = () => undefined
  #dueAtMs = Number.POSITIVE_INFINITY
  /** Something became ready in this turn, and more may. */
  #isGathering = false
  #cancelGathering: () => void = () => undefined

  /** `limited`: those that have a say now, by actor; they come and go. */
  constructor(executor: Executor, clock: Clock, limited: ReadonlyMap<string, Allowance> = new Map()) {
    this.#executor = executor
    this.#clock = clock
    this.#limited = limited
  }

  get owners(): Iterable<PartitionActor> {
    return this.#enlisted
  }

  enlist(owner: PartitionActor, limits: CallLimits): void {
    this.#gather()
    if (this.#enlisted.has(owner)) return
    this.#enlisted.add(owner)
    const owners = this.#owners.get(owner.actor.name)
    if (owners === undefined) this.#owners.set(owner.actor.name, { limits, list: [owner], lacksRoom: false })
    else owners.list.push(owner)
  }

  /** The actor has something ready, and less room for it than a call should have. */
  lacksRoom(actor: string): boolean {
    return this.#owners.get(actor)?.lacksRoom === true
  }

  /** The next call. Empty: none may go now. */
  take(): DispatchedRun[] {
    if (this.#isGathering) return []
    let dueAtMs = Number.POSITIVE_INFINITY
    for (const [name, owners] of [...this.#owners]) {
      this.#dropIdle(name, owners)
      if (owners.list.length === 0) continue
      const may = this.#mayGo(owners)
      if (may === true) {
        const call = takeCall(owners, this.#roomOf(owners))
        this.#limited.get(name)?.take(call.reduce((sum, { invocations }) => sum + invocations.length, 0))
        // Others come first next time.
        this.#owners.delete(name)
        this.#owners.set(name, owners)
        if (call.length > 0) return call
      } else {
        dueAtMs = Math.min(dueAtMs, may)
      }
    }
    this.#wakeAt(dueAtMs)
    return []
  }

  close(): void {
    this.#wakeAt(Number.POSITIVE_INFINITY)
    this.#cancelGathering()
  }

  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    this.#cancelGathering = this.#clock.after(0, () => {
      this.#isGathering = false
      this.onDue()
    })
  }

  /** true, or clock time when it may at the latest, should nothing else happen. */
  #mayGo(owners: Owners): true | number {
    const { limits, list } = owners
    const { actor } = list[0]!
    let ready = 0
    for (const owner of list) ready += owner.readyRecordCount
    const room = this.#executor.roomOf(actor)
    const goesAlone = room > 0 && list.some((owner) => owner.firstRunsAlone)
    // Else what little room a small call leaves would make small ones of all that follow.
    const wanted = Math.ceil(Math.min(limits.maxRecords, ready) / 2)
    owners.lacksRoom = !goesAlone && (room <= 0 || (room < wanted && this.#executor.inProgressOf(actor) > 0))
    if (owners.lacksRoom) return Number.POSITIVE_INFINITY
    // Where that is none, it tells when there is more.
    const allowed = this.#limited.get(actor.name)?.room ?? Number.POSITIVE_INFINITY
    if (allowed === 0) return Number.POSITIVE_INFINITY
    if (goesAlone || limits.maxWaitMs === 0) return true
    const most = Math.min(limits.maxRecords, room)
    if (ready >= most && allowed >= most) return true
    let bytes = 0
    let oldestAtMs = Number.POSITIVE_INFINITY
    for (const owner of list) {
      const first = owner.firstReady
      if (first !== null) oldestAtMs = Math.min(oldestAtMs, first.admittedAtMs)
      bytes += owner.readyBytes(limits.maxBytes - bytes)
    }
    const dueAtMs = oldestAtMs + limits.maxWaitMs
    return bytes >= limits.maxBytes || this.#clock.now() >= dueAtMs ? true : dueAtMs
  }

  #roomOf({ limits, list }: Owners): number {
    const { actor } = list[0]!
    return Math.min(
      limits.maxRecords,
      this.#executor.roomOf(actor),
      this.#limited.get(actor.name)?.room ?? Number.POSITIVE_INFINITY,
    )
  }

  /** Those whose records were taken, or whose epoch has ended. */
  #dropIdle(name: string, owners: Owners): void {
    owners.list = owners.list.filter((owner) => {
      if (owner.readyRecordCount > 0) return true
      this.#enlisted.delete(owner)
      return false
    })
    if (owners.list.length === 0) this.#owners.delete(name)
  }

  /** One timer for all. */
  #wakeAt(atMs: number): void {
    if (atMs === this.#dueAtMs) return
    this.#cancelDue()
    this.#cancelDue = () => undefined
    this.#dueAtMs = atMs
    if (atMs === Number.POSITIVE_INFINITY) return
    this.#cancelDue = this.#clock.after(Math.max(0, atMs - this.#clock.now()), () => {
      this.#dueAtMs = Number.POSITIVE_INFINITY
      this.onDue()
    })
  }
}

/** Takes up to `maxRecords`, from one partition after the other, and moves those that gave some to the end of the list. */
function takeCall(owners: Owners, maxRecords: number): DispatchedRun[] {
  const alone = owners.list.findIndex((owner) => owner.firstRunsAlone)
  if (alone >= 0) {
    const [owner] = owners.list.splice(alone, 1)
    owners.list.push(owner!)
    const run = owner!.takeRun(1)
    return run === null ? [] : [{ actor: owner!, lane: run.lane, invocations: run.invocations }]
  }
  const call: DispatchedRun[] = []
  const line = owners.list
  /** Their next record is too large for what is left, or goes alone. */
  const others: PartitionActor[] = []
  let records = 0
  let bytes = 0
  while (records < maxRecords) {
    const owner = line.shift()
    if (owner === undefined) break
    const first = owner.firstReady
    const fits = first !== null && (call.length === 0 || bytes + first.bytes <= owners.limits.maxBytes)
    const run = fits && !first.runsAlone ? owner.takeRun(maxRecords - records, owners.limits.maxBytes - bytes) : null
    if (run === null) {
      others.push(owner)
      continue
    }
    call.push({ actor: owner, lane: run.lane, invocations: run.invocations })
    records += run.invocations.length
    for (const invocation of run.invocations) bytes += invocation.bytes
    line.push(owner)
  }
  owners.list = [...others, ...line]
  return call
}

/** Those whose failure is not the call's go alone from now on: what failed with them once may do so again. */
export function setFailedApart(
  { invocations }: Pick<DispatchedRun, 'invocations'>,
  verdicts: readonly Verdict[],
): void {
  for (let at = 0; at < verdicts.length; at += 1) {
    if (failsAlone(verdicts[at]!)) invocations[at]!.runsAlone = true
  }
}

function failsAlone(verdict: Verdict): boolean {
  if (verdict.type === 'retry' || verdict.type === 'retry-unlimited') return verdict.isShared !== true
  return endsRun(verdict) && !isNoAttempt(verdict)
}
