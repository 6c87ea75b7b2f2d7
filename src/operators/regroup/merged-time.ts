/**
 * The stream time of a partition of a repartition topic, where the partitions of an input meet, each with a time of its own:
 * the least of theirs. So a partition that is far ahead makes no other's records late, however they are read. One that is idle
 * is not waited for; one that has said nothing so far is. It never goes back: one that was idle may come with an older time.
 *
 * What a source says is known as of an offset, and kept as of a position: so whoever begins there knows the same. But for who
 * is idle: meanwhile records may have come to it that nobody has read, so it is waited for until it has said it again.
 */
import { TroupeError } from '../../errors.ts'
import type { Said } from './source-header.ts'

const NO_TIME = -1
const standings = { silent: 0, speaking: 1, idle: 2 } as const

export class MergedTime {
  readonly #now: SourceTimes
  /** As of the position that was asked for last. */
  readonly #kept: SourceTimes
  // What was said behind that position, in offset order.
  #offsets: number[] = []
  #sayings: Said[] = []
  #current: number | null

  /** `kept`: as `encodeAt` wrote it, and the stream time of the same position. */
  constructor(sources: number, kept: Uint8Array | null, streamTimeMs: number | null) {
    this.#now = new SourceTimes(sources, kept)
    this.#kept = new SourceTimes(sources, kept)
    this.#current = streamTimeMs
  }

  /** null: somebody is waited for, and nobody has had a time before. */
  get current(): number | null {
    return this.#current
  }

  /** Nobody has more to say for now. */
  get isIdle(): boolean {
    return this.#now.isIdle
  }

  /** Takes what the next record says, in offset order. Returns the stream time, that of the record included. */
  note(offset: number, said: Said): number | null {
    if (!this.#now.note(said)) return this.#current
    this.#offsets.push(offset)
    this.#sayings.push(said)
    const least = this.#now.least
    if (least !== NO_TIME && (this.#current === null || least > this.#current)) this.#current = least
    return this.#current
  }

  /** What is known as of this position, which never goes back. null: the same as the last time. */
  encodeAt(position: number): Uint8Array | null {
    const offsets = this.#offsets
    let count = 0
    while (count < offsets.length && offsets[count]! < position) {
      this.#kept.note(this.#sayings[count]!)
      count += 1
    }
    if (count === 0) return null
    this.#offsets = offsets.slice(count)
    this.#sayings = this.#sayings.slice(count)
    return this.#kept.encode()
  }
}

const VERSION = 1
const HEAD_BYTES = 5
const SOURCE_BYTES = 9

/** What each source has said. */
class SourceTimes {
  readonly #times: Float64Array
  readonly #standings: Uint8Array
  /** Those that are neither silent nor idle all have one; NO_TIME while somebody is silent. */
  #least = NO_TIME
  #isKnown = false

  constructor(sources: number, kept: Uint8Array | null) {
    this.#times = new Float64Array(sources).fill(NO_TIME)
    this.#standings = new Uint8Array(sources)
    if (kept !== null) this.#read(kept)
  }

  get least(): number {
    if (!this.#isKnown) {
      this.#least = this.#find()
      this.#isKnown = true
    }
    return this.#least
  }

  get isIdle(): boolean {
    return this.#standings.every((standing) => standing === standings.idle)
  }

  /** False: that was known. Throws INTERNAL for a source that there is not. */
  note({ isIdle, source, streamTimeMs }: Said): boolean {
    const before = this.#times[source]
    if (before === undefined) {
      const message = `a record comes from partition ${source} of an input of ${this.#times.length} partitions`
      throw new TroupeError('INTERNAL', message)
    }
    const standing = isIdle ? standings.idle : standings.speaking
    if (standing === this.#standings[source] && streamTimeMs <= before) return false
    // Only who was the last moves all.
    if (standing !== this.#standings[source] || before <= this.#least) this.#isKnown = false
    this.#standings[source] = standing
    this.#times[source] = Math.max(before, streamTimeMs)
    return true
  }

  /** Where all are idle, nobody is waited for: the greatest. */
  #find(): number {
    let least = Infinity
    let greatest = NO_TIME
    for (let source = 0; source < this.#times.length; source += 1) {
      const time = this.#times[source]!
      greatest = Math.max(greatest, time)
      if (this.#standings[source] === standings.idle) continue
      if (this.#standings[source] === standings.silent) return NO_TIME
      least = Math.min(least, time)
    }
    return least === Infinity ? greatest : least
  }

  encode(): Uint8Array {
    const sources = this.#times.length
    const bytes = Buffer.alloc(HEAD_BYTES + sources * SOURCE_BYTES)
    bytes.writeUInt8(VERSION)
    bytes.writeUInt32BE(sources, 1)
    for (let source = 0; source < sources; source += 1) {
      const at = HEAD_BYTES + source * SOURCE_BYTES
      bytes.writeUInt8(this.#standings[source]!, at)
      bytes.writeDoubleBE(this.#times[source]!, at + 1)
    }
    return bytes
  }

  #read(kept: Uint8Array): void {
    const bytes = Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength)
    const sources = bytes.byteLength < HEAD_BYTES ? 0 : bytes.readUInt32BE(1)
    if (
      bytes[0] !== VERSION ||
      bytes.byteLength < HEAD_BYTES + sources * SOURCE_BYTES ||
      sources > this.#times.length
    ) {
      throw new TroupeError(
        'CHANGELOG_UNREADABLE',
        `the times of ${sources} partitions of an input (version ${bytes[0] ?? 'none'}) cannot be read for one of ${this.#times.length}`,
      )
    }
    for (let source = 0; source < sources; source += 1) {
      const at = HEAD_BYTES + source * SOURCE_BYTES
      const standing = bytes.readUInt8(at)
      this.#standings[source] = standing === standings.idle ? standings.silent : standing
      this.#times[source] = bytes.readDoubleBE(at + 1)
    }
  }
}
