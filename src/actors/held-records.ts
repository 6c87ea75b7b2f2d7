/**
 * What one input of a partition actor holds: admitted and not finished, oldest first. All of it counts against
 * the intake's credit, so credit is taken and given back here and nowhere else in the actor.
 *
 * A list through the invocations themselves: the oldest is the record that the safe position waits
 * for, and is there without looking for it; adding and removing write a few fields.
 */
import type { PartitionStats } from '../metrics/stats.ts'
import type { Credit } from '../streams/credit.ts'
import type { SourceRecord } from '../streams/record.ts'
import { idOf } from '../streams/record-id.ts'
import type { Invocation } from './invocation.ts'

export class HeldRecords {
  readonly #credit: Credit
  readonly #stats: PartitionStats
  #oldest: Invocation | null = null
  #newest: Invocation | null = null
  #count = 0
  #bytes = 0

  constructor({ credit, stats }: { readonly credit: Credit; readonly stats: PartitionStats }) {
    this.#credit = credit
    this.#stats = stats
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  get oldest(): Invocation | null {
    return this.#oldest
  }

  /** The oldest of which nothing is known yet: what is handled and waits for its checkpoint is finished to its position. */
  get oldestUnfinished(): Invocation | null {
    let each = this.#oldest
    while (each?.stage === 'at-checkpoint') each = each.newer
    return each
  }

  /** Oldest first. Those that stand for timers are none: they fire again. */
  records(): SourceRecord[] {
    const records: SourceRecord[] = []
    for (let each = this.#oldest; each !== null; each = each.newer) {
      if (each.record.timer === undefined) records.push(each.record)
    }
    return records
  }

  /** Of all, those that stand for timers as well. */
  ids(): Set<string> {
    const ids = new Set<string>()
    for (let each = this.#oldest; each !== null; each = each.newer) ids.add(idOf(each.record))
    return ids
  }

  add(invocation: Invocation): void {
    invocation.older = this.#newest
    if (this.#newest === null) this.#oldest = invocation
    else this.#newest.newer = invocation
    this.#newest = invocation
    this.#count += 1
    this.#bytes += invocation.bytes
    this.#credit.admit(1, invocation.bytes)
  }

  /** So much is kept of its outputs, until it is removed. */
  keep(invocation: Invocation, bytes: number): void {
    invocation.keptBytes += bytes
    this.#bytes += bytes
    this.#credit.grow(bytes)
  }

  /** It is finished. */
  remove(invocation: Invocation): void {
    this.#unlink(invocation)
    this.#credit.retire(1, invocation.bytes + invocation.keptBytes)
  }

  /** It is given up unfinished. */
  drop(invocation: Invocation): void {
    this.remove(invocation)
    this.#stats.dropped += 1
  }

  /** All are given up unfinished. */
  clear(): void {
    const count = this.#count
    const bytes = this.#bytes
    this.#oldest = null
    this.#newest = null
    this.#count = 0
    this.#bytes = 0
    this.#stats.dropped += count
    this.#credit.retire(count, bytes)
  }

  #unlink(invocation: Invocation): void {
    const { newer, older } = invocation
    if (older === null) this.#oldest = newer
    else older.newer = newer
    if (newer === null) this.#newest = older
    else newer.older = older
    // A finished record that somebody still refers to must not hold its neighbours in memory.
    invocation.older = null
    invocation.newer = null
    this.#count -= 1
    this.#bytes -= invocation.bytes + invocation.keptBytes
  }
}
