/**
 * The transaction coordinator: who has each transactional id, what is open, and the markers that make it so everywhere.
 *
 * - Records stand in their logs at once, and positions in their group, pending: they hold back who reads what is committed.
 * - A commit stands when the coordinator has decided it. The markers that let others see it come later, to each log and
 *   group at its own time; until all are there the id takes nothing new.
 * - What stays open too long, or belongs to an older client of its id, is aborted.
 *
 * Like Kafka's it knows members of a group, not owners of partitions.
 */
import type { Clock } from '../../../clock.ts'
import type { StoredPosition, WriteResult } from '../../../streams/broker-port.ts'
import type { OutputRecord, SourceRecord } from '../../../streams/record.ts'
import { partitionName } from '../../../streams/record.ts'
import type { TransactionFault } from '../../../streams/transaction-port.ts'
import { drawLatencyMs, type Latency } from '../fake-connection.ts'
import type { FakeBrokerEvent } from '../fake-events.ts'
import type { FakeFaults } from '../fake-faults.ts'
import type { FakeGroup, GroupMember } from '../fake-group.ts'
import type { FakeLog, FakeTransaction } from '../../fake-log.ts'
import type { Random } from '../../random.ts'

export interface FakeTransactionsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly faults: FakeFaults
  /** How long a marker takes. */
  readonly latencyMs: Latency
  /** False: as librdkafka's mock, which forgets the positions and shows aborted records. */
  readonly keepsTransactions: boolean
  /** Where a record belongs, or why it is refused for good. */
  readonly place: (record: OutputRecord) => FakeLog | Error
  readonly onAppended: (log: FakeLog) => void
  readonly observe: (event: FakeBrokerEvent) => void
}

/** Of one client, from its `connect` on. */
export interface TransactionOwner {
  readonly client: string
  readonly transactionalId: string
  readonly epoch: number
}

/** `later`: markers of the id's last transaction are on their way; the client asks again. */
export type Answered = TransactionFault | 'later' | null

interface Part {
  readonly transaction: FakeTransaction
  readonly records: SourceRecord[]
}

interface Open {
  readonly client: string
  readonly parts: Map<FakeLog, Part>
  /** Of all partitions, in the order they were written. */
  readonly records: SourceRecord[]
  readonly groups: Map<FakeGroup, StoredPosition[]>
  readonly cancelTimeout: () => void
}

interface Id {
  readonly name: string
  epoch: number
  timeoutMs: number
  open: Open | null
  /** Markers on their way. */
  markers: number
}

type Reason = Extract<FakeBrokerEvent, { type: 'transaction' }>['reason']

/** A marker whose broker is away is tried again. */
const MARKER_RETRY_MS = 10

export class FakeTransactions {
  readonly #options: FakeTransactionsOptions
  readonly #ids = new Map<string, Id>()

  constructor(options: FakeTransactionsOptions) {
    this.#options = options
  }

  /** The id is this client's from now on, when what was left open of it is ended. */
  take(client: string, transactionalId: string, timeoutMs: number): TransactionOwner | 'later' {
    const id = this.#idOf(transactionalId)
    if (id.open !== null) this.#end(id, 'aborted', 'fenced')
    if (id.markers > 0) return 'later'
    id.epoch += 1
    id.timeoutMs = timeoutMs
    return { client, transactionalId, epoch: id.epoch }
  }

  /** Somebody else takes the id. */
  fence(transactionalId: string): void {
    const id = this.#idOf(transactionalId)
    if (id.open !== null) this.#end(id, 'aborted', 'fenced')
    id.epoch += 1
  }

  /** Appends these; one that is refused fails all, and those before it stand open. */
  write(owner: TransactionOwner, records: readonly OutputRecord[]): Answered {
    const id = this.#idOf(owner.transactionalId)
    const open = this.#openOf(id, owner)
    if (typeof open === 'string') return open
    if (this.#options.faults.refuseTogether(records)) return 'refused'
    const refusals = records.map((record) => this.#append(open, record))
    return refusals.some((refusal) => refusal !== null) ? 'refused' : null
  }

  /** What would become of each of these: they are written, and aborted. */
  tryRecords(owner: TransactionOwner, records: readonly OutputRecord[]): readonly WriteResult[] | Answered {
    const id = this.#idOf(owner.transactionalId)
    const open = this.#openOf(id, owner)
    if (typeof open === 'string') return open
    const results = records.map((record) => this.#append(open, record))
    this.#end(id, 'aborted', 'asked')
    return results
  }

  addPositions(
    owner: TransactionOwner,
    group: FakeGroup,
    member: GroupMember,
    positions: readonly StoredPosition[],
  ): Answered {
    const id = this.#idOf(owner.transactionalId)
    const open = this.#openOf(id, owner)
    if (typeof open === 'string') return open
    const refusal = group.addPending(id.name, member, positions)
    if (refusal !== null) return refusal
    open.groups.set(group, [...(open.groups.get(group) ?? []), ...positions])
    return null
  }

  end(owner: TransactionOwner, outcome: 'committed' | 'aborted'): Answered {
    const id = this.#idOf(owner.transactionalId)
    if (id.epoch !== owner.epoch) return 'fenced'
    if (id.open !== null) this.#end(id, outcome, 'asked')
    return null
  }

  #idOf(name: string): Id {
    let id = this.#ids.get(name)
    if (id === undefined) {
      id = { name, epoch: 0, timeoutMs: 60_000, open: null, markers: 0 }
      this.#ids.set(name, id)
    }
    return id
  }

  /** The open transaction; it begins with its first record or position. */
  #openOf(id: Id, { client, epoch }: TransactionOwner): Open | 'fenced' | 'later' {
    if (id.epoch !== epoch) return 'fenced'
    if (id.markers > 0) return 'later'
    id.open ??= {
      client,
      parts: new Map(),
      records: [],
      groups: new Map(),
      cancelTimeout: this.#options.clock.after(id.timeoutMs, () => {
        this.#end(id, 'aborted', 'timed-out')
        id.epoch += 1
      }),
    }
    return id.open
  }

  #append(open: Open, record: OutputRecord): WriteResult {
    const { clock, onAppended, place } = this.#options
    const log = place(record)
    if (log instanceof Error) return log
    let part = open.parts.get(log)
    if (part === undefined) {
      part = { transaction: log.beginTransaction(), records: [] }
      open.parts.set(log, part)
    }
    const { headers = [], key, timestamp = clock.wallNow(), value } = record
    part.transaction.append({ key, value, headers, timestamp })
    const appended = log.records.at(-1)!
    part.records.push(appended)
    open.records.push(appended)
    onAppended(log)
    return null
  }

  #end(id: Id, outcome: 'committed' | 'aborted', reason: Reason): void {
    const open = id.open
    if (open === null) return
    const { keepsTransactions, observe } = this.#options
    id.open = null
    open.cancelTimeout()
    const { records } = open
    const positions = [...open.groups.values()].flat()
    observe({ type: 'transaction', client: open.client, transactionalId: id.name, outcome, reason, records, positions })
    for (const [log, part] of open.parts) {
      this.#mark(id, partitionName(log), () => {
        this.#settle(open.client, log, part, keepsTransactions ? outcome : 'committed')
      })
    }
    for (const [group, sent] of open.groups) {
      this.#mark(id, group.id, () => {
        group.settlePending(open.client, id.name, sent, keepsTransactions && outcome === 'committed')
      })
    }
  }

  #settle(client: string, log: FakeLog, part: Part, outcome: 'committed' | 'aborted'): void {
    if (outcome === 'aborted') {
      part.transaction.abort()
    } else {
      part.transaction.commit()
      for (const record of part.records) this.#options.observe({ type: 'appended', client, record })
    }
    this.#options.onAppended(log)
  }

  /** Writes a marker of this place (a partition, a group), in its own time. */
  #mark(id: Id, place: string, write: () => void): void {
    const { clock, faults, latencyMs, random } = this.#options
    id.markers += 1
    const arrive = (): void => {
      if (faults.heldMarkers.has(place)) {
        clock.after(MARKER_RETRY_MS, arrive)
        return
      }
      id.markers -= 1
      write()
    }
    clock.after(drawLatencyMs(latencyMs, random), arrive)
  }
}
