/** The times of a topic's records, as its `time` tells them. */
import { TroupeError, describeError } from '../../errors.ts'
import { shown } from '../../options/declared.ts'
import type { ReadTime, RecordTimes } from '../../state/stamp.ts'
import { neededSchema, type KnownSchemas } from '../../streams/flows/contract.ts'
import type { SourceRecord } from '../../streams/record.ts'
import type { AnyTopic } from './any-handler.ts'
import { RecordDecoder } from './record-decoder.ts'

/** No Date is later. */
const LATEST_MS = 8.64e15

export interface TopicTimesOptions {
  /** All that is read. */
  readonly inputs: readonly [AnyTopic, ...AnyTopic[]]
  readonly schemas: KnownSchemas
  readonly maxAdvanceMs: number | null
}

interface TimedTopic {
  readonly name: string
  readonly time: ((value: never) => unknown) | undefined
  readonly decoder: RecordDecoder
}

class TopicTimes implements RecordTimes {
  readonly maxAdvanceMs: number | null
  readonly #first: TimedTopic
  /** Further ones, by name. */
  readonly #others = new Map<string, TimedTopic>()

  constructor({ inputs: [first, ...others], maxAdvanceMs, schemas }: TopicTimesOptions) {
    this.maxAdvanceMs = maxAdvanceMs
    this.#first = timed(first, schemas)
    for (const input of others) this.#others.set(input.name, timed(input, schemas))
  }

  read(record: SourceRecord): ReadTime | null {
    const { timestamp } = record
    const topic = this.#others.get(record.topic) ?? this.#first
    if (topic.time === undefined) return { found: 'nothing', read: undefined, timeMs: timestamp }
    try {
      const value = topic.decoder.value(record)
      return { found: 'value', read: value, timeMs: timeTold(topic, record, value) }
    } catch (error) {
      if (neededSchema(error) !== undefined) return null
      return { found: 'error', read: error, timeMs: -1 }
    }
  }
}

function timed(input: AnyTopic, schemas: KnownSchemas): TimedTopic {
  return { name: input.name, time: input.time, decoder: new RecordDecoder(input, schemas) }
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
    told = time(value as never)
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
  const isTold = options.maxAdvanceMs !== null || options.inputs.some(({ time }) => time !== undefined)
  return isTold ? new TopicTimes(options) : null
}
