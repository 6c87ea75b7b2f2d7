/**
 * The rows of a table as the last checkpoint left them, read from the table's own topic: the records that its mark tells of as
 * finished, in their order. A store that has those of an earlier mark gets the others. So no changelog has any row; and of a
 * row that its topic has compacted away since, nothing is found until the newer one is read.
 */
import type { BrokerReader } from '../../streams/broker-port.ts'
import type { CompletionMap } from '../../streams/positions/completion-map.ts'
import type { SourceRecord, TopicPartition } from '../../streams/record.ts'
import { entryKey, inputKey, rowsKey, statePrefix } from '../changelog-format.ts'
import { decodeInputMark } from '../input-marks.ts'
import { StateValue } from '../state-value.ts'
import type { Change, StateStore, StoreMark, WalkPlace } from '../store.ts'

export interface TableRowsOptions {
  readonly reader: BrokerReader
  readonly store: StateStore
  readonly at: TopicPartition
  /** Names of the states that have its rows. */
  readonly states: readonly string[]
  readonly signal: AbortSignal
}

const EMPTY_MARK: StoreMark = { changelogPosition: 0, streamTime: null, checkpoint: 0 }
const MAX_POLL_RECORDS = 500
const POLL_TIMEOUT_MS = 50
const WALK_ENTRIES = 1_000

/** How many records were read; null: given up. Rejects with what reading fails of; what is in the store by then is read again. */
export async function bringRows(options: TableRowsOptions): Promise<number | null> {
  const { at, reader, signal, store } = options
  const wanted = store.get(inputKey(at.topic))
  const have = store.get(rowsKey(at.topic))
  if (wanted === undefined) {
    if (have !== undefined) await forgetRows(options)
    return 0
  }
  if (have !== undefined && Buffer.compare(have, wanted) === 0) return 0
  const { map, topicId } = decodeInputMark(wanted)
  let known = have === undefined ? null : decodeInputMark(have)
  const { high, low } = await reader.watermarks(at)
  if (known !== null && (known.topicId !== topicId || known.map.position < low)) {
    await forgetRows(options)
    known = null
  }
  const end = Math.min(map.frontier, high)
  const from = Math.max(low, known?.map.position ?? low)
  let read = 0
  if (from < end) {
    reader.follow([{ ...at, position: from }])
    try {
      while ((reader.position(at) ?? from) < end) {
        const records = await reader.poll(MAX_POLL_RECORDS, POLL_TIMEOUT_MS)
        if (signal.aborted) return null
        const rows = records.filter(
          ({ offset }) => isFinished(map, offset) && !(known !== null && isFinished(known.map, offset)),
        )
        read += rows.length
        await store.write(changesOf(rows, options.states), store.mark ?? EMPTY_MARK)
      }
    } finally {
      reader.unfollow([at])
    }
  }
  if (signal.aborted) return null
  await store.write([[rowsKey(at.topic), wanted]], store.mark ?? EMPTY_MARK)
  return read
}

/** All rows of the table, and what says how far they go. */
export async function forgetRows({
  at,
  states,
  store,
}: Pick<TableRowsOptions, 'at' | 'states' | 'store'>): Promise<void> {
  const prefixes = states.map(statePrefix)
  const gone: Change[] = [[rowsKey(at.topic), null]]
  for (let from: WalkPlace | null = null; ;) {
    const { entries, next } = store.walk(from, WALK_ENTRIES, 0)
    for (const [key] of entries) {
      if (prefixes.some((prefix) => Buffer.compare(key.subarray(0, prefix.byteLength), prefix) === 0))
        gone.push([key, null])
    }
    if (next === null) break
    from = next
  }
  await store.write(gone, store.mark ?? EMPTY_MARK)
}

function* changesOf(records: readonly SourceRecord[], states: readonly string[]): Generator<Change> {
  const prefixes = states.map(statePrefix)
  for (const { key, value } of records) {
    if (key === null) continue
    for (const prefix of prefixes) {
      yield [entryKey(prefix, key), value === null ? null : StateValue.ofPayload(value, null).bytes]
    }
  }
}

function isFinished(map: CompletionMap, offset: number): boolean {
  return offset < map.position || map.isFinished(offset)
}
