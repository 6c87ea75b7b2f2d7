/**
 * Standard error, as the log writes to it: at once where there is room, else from a queue. Whoever reads it may be slow,
 * stand still or be gone (a full pipe, a stopped terminal, a full disk); that costs lines, which are counted, and never
 * holds up a record.
 *
 * Neither Node's stream nor pino's own destination will do: the one queues without limit and blocks on a terminal, the
 * other either stands still until there is room or, asynchronous, takes the last lines along when the process dies.
 */
import { constants, openSync, writeSync } from 'node:fs'
import process from 'node:process'
import { isatty } from 'node:tty'
import { inBackground, systemClock, type Clock } from '../clock.ts'

export interface LogOutputOptions {
  /** Writes what there is room for and returns how many bytes that were; throws where there is none. */
  readonly write: (bytes: Buffer) => number
  /** Tries again and again until cancelled, without keeping the process alive. */
  readonly repeat?: (intervalMs: number, work: () => void) => () => void
  readonly clock?: Pick<Clock, 'now'>
}

/** As much as a burst of debug lines; a reader that is merely slow has caught up before it is full. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024
const RETRY_MS = 20
/** A pipe takes 64 KiB at a time, and there is little time. */
const LAST_RETRY_MS = 1
/** For a process that ends, to write what nobody has read yet. */
const LAST_WORDS_MS = 500

export class LogOutput {
  /** It flows again, after so many lines were dropped. */
  onFlowing: (dropped: number) => void = () => undefined
  readonly #options: Required<LogOutputOptions>
  /** Lines in their order; of the first one a part may be written. */
  #waiting: Buffer[] = []
  /** The last of them that would be missed: why the process ends, and how much of the log is not there. */
  readonly #words = new Set<Buffer>()
  /** Whether a part of the first line is written. */
  #isBegun = false
  /** While their order changes. */
  #isHeld = false
  #waitingBytes = 0
  #dropped = 0
  /** Those of them that the log has not told of. */
  #untold = 0
  /** What keeps it from writing may pass. */
  #mayPass = true
  #cancelRetry: (() => void) | null = null

  constructor({ write, repeat = inBackground, clock = systemClock }: LogOutputOptions) {
    this.#options = { write, repeat, clock }
  }

  /** Lines that nobody will ever read. */
  get dropped(): number {
    return this.#dropped
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    this.#flush()
    // One that is longer than all the room there is gets it as long as it is the first.
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      this.#dropped += 1
      this.#untold += 1
      return
    }
    this.#push(bytes)
  }

  /** A line that is never dropped, and written first when the process ends. There are a few of them. */
  writeAnyway(line: string): void {
    const bytes = Buffer.from(line)
    this.#words.add(bytes)
    this.#push(bytes)
  }

  #push(bytes: Buffer): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#flush()
    if (this.#waiting.length > 0) this.#cancelRetry ??= this.#options.repeat(RETRY_MS, () => this.#flush())
  }

  /** For a process that ends: waits, holding it up, until all is written, or for so long. */
  writeOut(timeoutMs: number): void {
    const { clock } = this.#options
    const endsAtMs = clock.now() + timeoutMs
    this.#wordsFirst()
    this.#flush()
    while (this.#waiting.length > 0 && this.#mayPass && clock.now() < endsAtMs) {
      pause(LAST_RETRY_MS)
      this.#flush()
    }
  }

  #wordsFirst(): void {
    this.#isHeld = true
    this.#tellDropped()
    this.#isHeld = false
    const begun = this.#isBegun ? this.#waiting.splice(0, 1) : []
    const isWord = (line: Buffer): boolean => this.#words.has(line)
    this.#waiting = [...begun, ...this.#waiting.filter(isWord), ...this.#waiting.filter((line) => !isWord(line))]
  }

  #flush(): void {
    if (this.#isHeld) return
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!
      let count: number
      try {
        count = this.#options.write(first)
      } catch (error) {
        this.#mayPass = isFull(error)
        return
      }
      this.#waitingBytes -= count
      this.#words.delete(first)
      this.#isBegun = count < first.length
      if (this.#isBegun) this.#waiting[0] = first.subarray(count)
      else this.#waiting.shift()
    }
    this.#cancelRetry?.()
    this.#cancelRetry = null
    this.#tellDropped()
  }

  #tellDropped(): void {
    const dropped = this.#untold
    if (dropped === 0) return
    this.#untold = 0
    this.onFlowing(dropped)
  }
}

const STDERR = 2
let stderr: LogOutput | null = null

/** Whether a person reads it. */
export function isTerminal(): boolean {
  return isatty(STDERR)
}

/** One for the process, however many logs write to it. */
export function standardError(): LogOutput {
  if (stderr === null) {
    const fd = openWithoutBlocking()
    const output = new LogOutput({ write: (bytes) => writeSync(fd, bytes) })
    process.once('exit', () => {
      output.writeOut(LAST_WORDS_MS)
    })
    stderr = output
  }
  return stderr
}

/** Of the lines written to standard error. */
export function droppedLines(): number {
  return stderr?.dropped ?? 0
}

/** A descriptor for standard error whose writes never wait. */
function openWithoutBlocking(): number {
  if (isatty(STDERR)) {
    // A description of its own: what the shell has stays as it is.
    try {
      return openSync(`/dev/fd/${STDERR}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    } catch {
      return STDERR
    }
  }
  // Node makes pipes and sockets so as soon as its own stream is touched. Files never wait for a reader.
  return process.stderr.fd
}

function isFull(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === 'EAGAIN'
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
