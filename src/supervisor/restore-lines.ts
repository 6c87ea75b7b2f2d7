/**
 * What the log says of restores: one line when some begin, one when all of those are over, and one every ten seconds between,
 * however many partitions there are. Of each partition alone it is told at level debug.
 */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'

export interface RestoredPartition {
  readonly records: number
  readonly bytes: number
  /** Entries of its store. */
  readonly keys: number
}

const PROGRESS_INTERVAL_MS = 10_000

/** From the first that begins until none is left. */
class Round {
  readonly sinceMs: number
  readonly actors = new Set<string>()
  /** Partition of the first. */
  readonly first: number
  begun = 0
  /** Those that ended without, given up or failed, are none of them. */
  restored = 0
  open = 0
  records = 0
  bytes = 0
  keys = 0
  cancel: () => void = () => undefined

  constructor(sinceMs: number, first: number) {
    this.sinceMs = sinceMs
    this.first = first
  }

  get partitions(): string {
    const actors = `actor${this.actors.size === 1 ? '' : 's'} ${[...this.actors].join(', ')}`
    return this.begun === 1 ? `${actors}, partition ${this.first}` : `${this.begun} partitions (${actors})`
  }

  get told(): object {
    const { begun, bytes, keys, records, restored } = this
    return { actors: [...this.actors], partitions: begun, restored, records, bytes, keys }
  }
}

export class RestoreLines {
  readonly #clock: Clock
  readonly #log: Log
  readonly #store: string
  #round: Round | null = null

  /** `store`: of which kind they are. */
  constructor(clock: Clock, log: Log, store: string) {
    this.#clock = clock
    this.#log = log
    this.#store = store
  }

  begin(actor: string, partition: number): void {
    const round = this.#round ?? this.#open(partition)
    round.actors.add(actor)
    round.begun += 1
    round.open += 1
    this.#log.debug({ actor, partition }, `state of actor ${actor}, partition ${partition}: restoring`)
  }

  restored(actor: string, partition: number, { bytes, keys, records }: RestoredPartition): void {
    const round = this.#round
    if (round === null) return
    round.restored += 1
    round.records += records
    round.bytes += bytes
    round.keys += keys
    const text = `state of actor ${actor}, partition ${partition}: restored, ${records} records of its changelog`
    this.#log.debug({ actor, partition, records, bytes, keys }, text)
  }

  /** Restored or not. */
  end(): void {
    const round = this.#round
    if (round === null) return
    round.open -= 1
    if (round.open > 0) return
    round.cancel()
    this.#round = null
    if (round.restored === 0) return
    const ms = this.#clock.now() - round.sinceMs
    const left =
      round.restored === round.begun ? '' : `, ${round.begun - round.restored} of them not, since they have gone`
    const text = `state of ${round.partitions}: restored, ${round.records} records of changelogs in ${Math.round(ms)} ms${left}`
    this.#log.info({ ...round.told, store: this.#store, ms }, text)
  }

  #open(partition: number): Round {
    const round = new Round(this.#clock.now(), partition)
    this.#round = round
    // Those that are assigned together begin in one turn.
    round.cancel = this.#clock.after(0, () => {
      this.#log.info({ ...round.told, store: this.#store }, `state of ${round.partitions}: restoring`)
      this.#watch(round)
    })
    return round
  }

  #watch(round: Round): void {
    round.cancel = this.#clock.after(PROGRESS_INTERVAL_MS, () => {
      const text = `state of ${round.partitions}: restoring, ${round.restored} are done`
      this.#log.info({ ...round.told, store: this.#store }, text)
      this.#watch(round)
    })
  }
}
