/** The times of a topic's records, as its `time` tells them. */
import { TroupeError, describeError } from '../../errors.ts'
import { shown } from '../../options/declared.ts'
import type { ReadTime, RecordTimes } from '../../state/stamp.ts'
import { neededSchema, type KnownSchemas } from '../../streams/flows/contract.ts'
import type { Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { RecordDecoder } from './record-decoder.ts'

/** No Date is later. */
const LATEST_MS = 8.64e15

export interface TopicTimesOptions {
  /** One at least. */
  readonly inputs: readonly Topic<unknown, string, unknown>[]
  readonly schemas: KnownSchemas
  readonly maxAdvanceMs: number | null
}

/** Of all topics that an actor reads. */
class InputTimes implements RecordTimes {
  readonly maxAdvanceMs: number | null
  readonly #byTopic: ReadonlyMap<string, TopicTimes>

  constructor({ inputs, maxAdvanceMs, schemas }: TopicTimesOptions) {
    this.maxAdvanceMs = maxAdvanceMs
    this.#byTopic = new Map(inputs.map((input) => [input.name, new TopicTimes(input, schemas)]))
  }

  read(record: SourceRecord): ReadTime | null {
    const times = this.#byTopic.get(record.topic)
    return times === undefined ? { found: 'nothing', read: undefined, timeMs: record.timestamp } : times.read(record)
  }
}

class TopicTimes {
  readonly #topic: string
  readonly #time: ((value: never) => unknown) | undefined
  readonly #decoder: RecordDecoder

  constructor(input: Topic<unknown, string, unknown>, schemas: KnownSchemas) {
    this.#topic = input.name
    this.#time = input.time
    this.#decoder = new RecordDecoder(input, schemas)
  }

  read(record: SourceRecord): ReadTime | null {
    const { timestamp } = record
    if (this.#time === undefined) return { found: 'nothing', read: undefined, timeMs: timestamp }
    try {
      const value = this.#decoder.value(record)
      // A tombstone has nothing to tell.
      const timeMs = record.value === null ? timestamp : this.#timeOf(value as never, this.#time)
      return { found: 'value', read: value, timeMs }
    } catch (error) {
      if (neededSchema(error) !== undefined) return null
      return { found: 'error', read: error, timeMs: -1 }
    }
  }

  /** Throws TIME_INVALID. */
  #timeOf(value: never, time: (value: never) => unknown): number {
    let told: unknown
    try {
      told = time(value)
    } catch (cause) {
      throw this.#invalid(`threw: ${describeError(cause)}`, cause)
    }
    if (typeof told === 'number' && told >= 0 && told <= LATEST_MS) return Math.floor(told)
    if (told instanceof Date) throw this.#invalid('returned a Date, and has to return milliseconds: .getTime()')
    if (typeof told === 'bigint') throw this.#invalid('returned a bigint, and has to return a number: Number(…)')
    throw this.#invalid(`returned ${shown(told)}, which is no time in milliseconds since 1970`)
  }

  #invalid(what: string, cause?: unknown): TroupeError {
    const message = `time of topic ${this.#topic} ${what}`
    return new TroupeError('TIME_INVALID', message, cause === undefined ? {} : { cause })
  }
}

/** null: what is known of a record unread says its time, and it may move stream time as far as it likes. */
export function timesOf(options: TopicTimesOptions): RecordTimes | null {
  const isToldUnread = options.maxAdvanceMs === null && options.inputs.every(({ time }) => time === undefined)
  return isToldUnread ? null : new InputTimes(options)
}
