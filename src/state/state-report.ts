/** The state of an actor for people: what is committed, as the process has it that owns the partition. */
import { TroupeError } from '../errors.ts'
import type { RestoreDescription, RestoreProgress } from '../metrics/restore-stats.ts'
import { partitionOf } from '../streams/murmur2.ts'
import { entryKey, readEntryKey, statePrefix } from './changelog-format.ts'
import type { StateQuestion } from './state-question.ts'
import type { StateShape } from './state-shape.ts'
import { StateValue } from './state-value.ts'
import type { StateStore, WalkPlace } from './store.ts'

/** One partition that is kept here. */
export interface ReportedPartition {
  readonly partition: number
  readonly isRestored: boolean
  /** Entries of its store, and what they take; null: it is not restored yet. */
  readonly keys: number | null
  readonly bytes: number | null
  /** Of the checkpoint that it stands at, and its stream time, milliseconds since the Unix epoch; null: there is none. */
  readonly checkpoint: number | null
  readonly streamTime: number | null
  /** How far it is restored; null: it is. */
  readonly restore: RestoreDescription | null
}

export interface ReportedEntry {
  readonly partition: number
  readonly state: string
  /** As text where it is text, else its bytes in hexadecimal. */
  readonly key: string
  readonly keyIs: 'text' | 'hex'
  /** What it is, of a state whose codec is json or text; else its bytes in base64. */
  readonly value: unknown
  readonly valueIs: 'json' | 'text' | 'base64'
  /** Stream time when it was set, milliseconds since the Unix epoch; null: its state forgets nothing. */
  readonly setAtMs: number | null
}

export interface StateReport {
  readonly actor: string
  readonly store: 'memory' | 'disk'
  /** Of the changelog, and so of the input. */
  readonly partitionCount: number
  /** Where a producer that hashes as Java's does puts the key that was asked for, and whether that partition is here; null: no key was. */
  readonly keyPartition: { readonly partition: number; readonly isHere: boolean } | null
  /** Those that are here. */
  readonly partitions: readonly ReportedPartition[]
  readonly entries: readonly ReportedEntry[]
  /** There are more entries than were asked for, or than are looked through at once. */
  readonly hasMore: boolean
}

/** What a process has of an actor. */
export interface KeptState {
  readonly shapes: readonly StateShape[]
  readonly kind: 'memory' | 'disk'
  readonly partitionCount: number
  readonly partitions: Iterable<{
    readonly partition: number
    /** null: not restored yet. */
    readonly store: StateStore | null
    readonly progress: RestoreProgress
  }>
}

/** Entries that are looked through for a list: about as many microseconds, in which nothing else happens. */
const MAX_LOOKED = 20_000
/** What the values of a list may take. */
const MAX_LIST_BYTES = 4_000_000

/** Throws NO_STATE where the actor has no state of this name. */
export function reportState(question: StateQuestion, kept: KeptState, nowMs: number): StateReport {
  const { actor, key, limit, name, partition } = question
  const shapes = kept.shapes.filter((shape) => name === null || shape.name === name)
  if (shapes.length === 0) {
    const names = kept.shapes.map((shape) => shape.name).join(', ')
    throw new TroupeError('NO_STATE', `actor ${actor} keeps no state ${String(name)}; it keeps ${names}`)
  }
  const asked = [...kept.partitions]
    .filter((each) => partition === null || each.partition === partition)
    .sort((one, other) => one.partition - other.partition)
  const found = asked.flatMap((each) =>
    key === null || each.store === null ? [] : lookUp(each.partition, each.store, shapes, key),
  )
  const { entries, hasMore } = limit === 0 ? { entries: found, hasMore: false } : list(asked, shapes, limit)
  const place = key === null ? null : partitionOf(key, kept.partitionCount)
  return {
    actor,
    store: kept.kind,
    partitionCount: kept.partitionCount,
    keyPartition: place === null ? null : { partition: place, isHere: asked.some((each) => each.partition === place) },
    partitions: asked.map(({ partition: at, progress, store }) => ({
      partition: at,
      isRestored: store !== null,
      keys: store?.keyCount ?? null,
      bytes: store?.byteCount ?? null,
      checkpoint: store?.mark?.checkpoint ?? null,
      streamTime: store?.mark?.streamTime ?? null,
      restore: store === null ? progress.describe(nowMs) : null,
    })),
    entries,
    hasMore,
  }
}

function lookUp(partition: number, store: StateStore, shapes: readonly StateShape[], key: Uint8Array): ReportedEntry[] {
  return shapes.flatMap((shape) => {
    const bytes = store.get(entryKey(statePrefix(shape.name), key))
    return bytes === undefined ? [] : [entryOf(partition, shape, key, bytes)]
  })
}

function list(
  partitions: readonly { readonly partition: number; readonly store: StateStore | null }[],
  shapes: readonly StateShape[],
  limit: number,
): { readonly entries: readonly ReportedEntry[]; readonly hasMore: boolean } {
  const byName = new Map(shapes.map((shape) => [shape.name, shape]))
  const entries: ReportedEntry[] = []
  let looked = 0
  let listedBytes = 0
  for (const { partition, store } of partitions) {
    if (store === null) continue
    for (let place: WalkPlace | null = null; ;) {
      const step = store.walk(place, limit + 1, 0)
      for (const [bytes] of step.entries) {
        const entry = readEntryKey(bytes)
        const shape = entry?.kind === 'state' ? byName.get(entry.name) : undefined
        if (entry?.kind !== 'state' || shape === undefined) continue
        if (entries.length >= limit || listedBytes >= MAX_LIST_BYTES) return { entries, hasMore: true }
        const value = store.get(bytes)
        if (value === undefined) continue
        entries.push(entryOf(partition, shape, entry.key, value))
        listedBytes += value.byteLength
      }
      looked += step.entries.length
      place = step.next
      if (looked >= MAX_LOOKED) return { entries, hasMore: true }
      if (place === null) break
    }
  }
  return { entries, hasMore: false }
}

function entryOf(partition: number, shape: StateShape, key: Uint8Array, bytes: Uint8Array): ReportedEntry {
  const { payload, timeMs } = StateValue.read(bytes)
  const keyText = textOf(key)
  return {
    partition,
    state: shape.name,
    ...(keyText === null
      ? { key: Buffer.from(key).toString('hex'), keyIs: 'hex' as const }
      : { key: keyText, keyIs: 'text' as const }),
    ...valueOf(shape, payload),
    setAtMs: timeMs,
  }
}

function valueOf({ codec }: StateShape, payload: Uint8Array): Pick<ReportedEntry, 'value' | 'valueIs'> {
  const text = codec === 'json' || codec === 'text' ? textOf(payload) : null
  if (text !== null && codec === 'text') return { value: text, valueIs: 'text' }
  try {
    if (text !== null) return { value: JSON.parse(text) as unknown, valueIs: 'json' }
  } catch {
    // A codec of the user's own that is called json as well.
  }
  return { value: Buffer.from(payload).toString('base64'), valueIs: 'base64' }
}

/** null: it is none. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}
