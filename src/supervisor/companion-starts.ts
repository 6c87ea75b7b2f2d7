/**
 * Finds where the companion inputs of a partition begin, once its state is restored, and brings the rows of its tables to where
 * the last checkpoint left them. Brokers that are away are waited for.
 */
import { sleep, type Clock } from '../clock.ts'
import { describeError, isTroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { inputKey } from '../state/changelog-format.ts'
import { decodeInputMark } from '../state/input-marks.ts'
import { companionStart, type CompanionStart, type CompanionTopic } from '../state/restore/companion-starts.ts'
import { bringRows, forgetRows } from '../state/restore/table-rows.ts'
import type { StateShape } from '../state/state-shape.ts'
import type { StateStore } from '../state/store.ts'
import type { BrokerReader } from '../streams/broker-port.ts'
import { partitionName } from '../streams/record.ts'

export interface CompanionStartsOptions {
  readonly actor: string
  readonly partition: number
  readonly companions: readonly CompanionTopic[]
  readonly shapes: readonly StateShape[]
  readonly store: StateStore
  readonly openReader: () => BrokerReader
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Log
}

/** By topic. */
export type CompanionStarts = ReadonlyMap<string, CompanionStart>

const MIN_DELAY_MS = 200
const MAX_DELAY_MS = 5_000

/** null: given up. Rejects with what no retry changes, OFFSET_OUT_OF_RANGE among it. */
export async function findCompanionStarts(options: CompanionStartsOptions): Promise<CompanionStarts | null> {
  const { actor, clock, companions, log, openReader, partition, signal } = options
  if (companions.length === 0) return new Map()
  for (let delayMs = MIN_DELAY_MS; !signal.aborted; delayMs = Math.min(2 * delayMs, MAX_DELAY_MS)) {
    const reader = openReader()
    try {
      await reader.connect()
      return await startsBy(reader, options)
    } catch (error) {
      if (!isTroupeError(error) || !error.retryable) throw error
      log.warn({ actor, partition }, `companion inputs of actor ${actor} wait: ${describeError(error)}`)
    } finally {
      void reader.disconnect()
    }
    await sleep(clock, delayMs)
  }
  return null
}

async function startsBy(reader: BrokerReader, options: CompanionStartsOptions): Promise<CompanionStarts | null> {
  const { actor, companions, log, partition, shapes, signal, store } = options
  const starts = new Map<string, CompanionStart>()
  for (const companion of companions) {
    const at = { topic: companion.topic, partition }
    const name = partitionName(at)
    const written = store.get(inputKey(companion.topic))
    const mark = written === undefined ? null : decodeInputMark(written)
    const start = companionStart(name, companion, mark, await reader.watermarks(at))
    if (signal.aborted) return null
    if (start.said !== null) log.warn({ actor, partition: name }, start.said)
    const states = shapes.flatMap(({ name: state, table }) => (table === companion.topic ? [state] : []))
    if (start.isReplaced) await forgetRows({ at, states, store })
    else if (states.length > 0) {
      const rows = await bringRows({ reader, store, at, states, signal })
      if (rows === null) return null
      if (rows > 0)
        log.info({ actor, partition: name, records: rows }, `rows of ${name} were read again: ${rows} records`)
    }
    starts.set(companion.topic, start)
  }
  return signal.aborted ? null : starts
}
