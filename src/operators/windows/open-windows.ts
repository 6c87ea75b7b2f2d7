/**
 * The open windows of a key, as they are kept: each leads to the next older one. Most keys have one or two, and most records
 * go into the newest, so that one object is made for a record. Never changed.
 */
import { TroupeError } from '../../errors.ts'
import type { DueTimer, Kept } from '../operator.ts'
import type { Codec } from '../../streams/flows/contract.ts'
import { ByteReader, ByteWriter } from '../values/bytes.ts'
import type { Slots, ValueSet } from '../values/value-set.ts'
import { WINDOWS, type Contents, type Window } from './windowing.ts'

export class OpenWindow implements Contents {
  /** One for all that follow each other. */
  readonly window: Window
  readonly timeMs: number
  readonly slots: Slots
  readonly older: OpenWindow | null

  constructor(window: Window, timeMs: number, slots: Slots, older: OpenWindow | null) {
    this.window = window
    this.timeMs = timeMs
    this.slots = slots
    this.older = older
  }

  behind(older: OpenWindow | null): OpenWindow {
    return new OpenWindow(this.window, this.timeMs, this.slots, older)
  }
}

/** These, the newest first, before what is older than they are. */
export function withNewer(newer: readonly OpenWindow[], older: OpenWindow | null): OpenWindow | null {
  return newer.reduceRight<OpenWindow | null>((list, window) => window.behind(list), older)
}

/** Closes the windows of a key that are due, the oldest first. `closesMs`: when one is that ends so. */
export function closeDue(
  { dueMs, keyText }: DueTimer,
  kept: Kept,
  closesMs: (endMs: number) => number,
  closed: (window: Window, contents: Contents) => void,
): void {
  const open: OpenWindow[] = []
  const due: OpenWindow[] = []
  let at = (kept.get(WINDOWS, keyText) ?? null) as OpenWindow | null
  for (; at !== null; at = at.older) (closesMs(at.window.endMs) <= dueMs ? due : open).push(at)
  const oldest = open.at(-1)
  kept.setTimer(keyText, oldest === undefined ? null : closesMs(oldest.window.endMs))
  if (due.length === 0) return
  kept.set(WINDOWS, keyText, withNewer(open, null) ?? undefined)
  for (const contents of due.reverse()) closed(contents.window, contents)
}

const VERSION = 1

/** `name`: all that the bytes depend on. */
export function openWindowsCodec(name: string, values: ValueSet): Codec<unknown> {
  const writer = new ByteWriter()
  return {
    name,
    encode(newest) {
      writer.reset()
      writer.byte(VERSION)
      for (let at = newest as OpenWindow | null; at !== null; at = at.older) {
        const { endMs, startMs } = at.window
        // Times are near each other: the differences are short.
        writer.byte(1)
        writer.number(startMs)
        writer.number(endMs - startMs)
        writer.number(at.timeMs - startMs)
        values.write(at.slots, writer)
      }
      writer.byte(0)
      return writer.written
    },
    decode(bytes) {
      const reader = new ByteReader(bytes)
      refuseOtherVersion(reader.byte(), VERSION)
      const windows: OpenWindow[] = []
      while (reader.byte() === 1) {
        const startMs = reader.number()
        const endMs = startMs + reader.number()
        const timeMs = startMs + reader.number()
        windows.push(new OpenWindow({ startMs, endMs }, timeMs, values.read(reader), null))
      }
      return withNewer(windows, null)
    },
  }
}

export function refuseOtherVersion(version: number, known: number): void {
  if (version === known) return
  const message = `an aggregation has windows of version ${version}, which this version cannot read`
  throw new TroupeError('CHANGELOG_UNREADABLE', message)
}
