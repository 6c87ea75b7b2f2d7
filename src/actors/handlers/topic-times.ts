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

type TimedTopic = Topic<unknown, string, unknown>

class TopicTimes {
  readonly #topic: TimedTopic
  readonly #decoder: RecordDecoder

  constructor(input: Topic<unknown, string, unknown>, schemas: KnownSchemas) {
    this.#topic = input
    this.#decoder = new RecordDecoder(input, schemas)
  }

  read(record: SourceRecord): ReadTime | null {
    const { timestamp } = record
    if (this.#topic.time === undefined) return { found: 'nothing', read: undefined, timeMs: timestamp }
    try {
      const value = this.#decoder.value(record)
      return { found: 'value', read: value, timeMs: timeTold(this.#topic, record, value) }
    } catch (error) {
      if (neededSchema(error) !== undefined) return null
      return { found: 'error', read: error, timeMs: -1 }
    }
  }
}

/** Of a record that was read. Throws TIME_INVALID. */
export function timeTold(
  { name, time }: Pick<TimedTopic, 'name' | 'time'>,
  record: SourceRecord,
  value: unknown,
): number {
  // A tombstone has nothing to tell.
  if (time === undefined || record.value === null) return record.timestamp
  let told: unknown
  try {
    told = time(value)
  } catch (cause) {
    throw invalid(name, `threw: ${describeError(cause)}`, cause)
  }
  if (typeof told === 'number' && told >= 0 && told <= LATEST_MS) return Math.floor(told)
  if (told instanceof Date) throw invalid(name, 'returned a Date, and has to return milliseconds: .getTime()')
  if (typeof told === 'bigint') throw invalid(name, 'returned a bigint, and has to return a number: Number(…)')
  throw invalid(name, `returned ${shown(told)}, which is no time in milliseconds since 1970`)
}

function invalid(topic: string, what: string, cause?: unknown): TroupeError {
  return new TroupeError('TIME_INVALID', `time of topic ${topic} ${what}`, cause === undefined ? {} : { cause })
}

/** null: what is known of a record unread says its time, and it may move stream time as far as it likes. */
export function timesOf(options: TopicTimesOptions): RecordTimes | null {
  const isToldUnread = options.maxAdvanceMs === null && options.inputs.every(({ time }) => time === undefined)
  return isToldUnread ? null : new InputTimes(options)
}
