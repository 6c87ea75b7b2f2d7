/**
 * What is going on, on stderr (stdout is for the accounts): redrawn in place in a terminal, a line
 * every few seconds elsewhere. The numbers are those of /metrics.
 */
import type { WriteStream } from 'node:tty'
import {
  describeLine,
  describeScreen,
  readNumbers,
  type Sample,
  type ViewNumbers,
  type ViewWords,
} from './view-numbers.ts'

const FRAME_MS = 500
const LINE_MS = 3000

export class LiveView {
  readonly #stream: WriteStream
  readonly #words: ViewWords
  #read: () => Promise<readonly Sample[]> = () => Promise.resolve([])
  #timer: NodeJS.Timeout | undefined
  #drawing: Promise<void> = Promise.resolve()
  #previous: { readonly numbers: ViewNumbers; readonly atMs: number } | undefined
  #drawnLines = 0

  constructor(stream: WriteStream, words: ViewWords) {
    this.#stream = stream
    this.#words = words
    // The terminal has wrapped the lines anew, so how many there are is not known any more.
    stream.on('resize', () => (this.#drawnLines = 0))
  }

  /** Writes a line; in a terminal above the numbers. */
  say(line: string): void {
    this.#stream.write(`${this.#erase()}${line}\n`)
    this.#drawnLines = 0
  }

  /** Shows numbers from now on. */
  start(read: () => Promise<readonly Sample[]>): void {
    this.#read = read
    this.#timer = setInterval(() => void this.#draw(), this.#stream.isTTY ? FRAME_MS : LINE_MS)
  }

  /** Shows them a last time. */
  async stop(): Promise<void> {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#draw()
  }

  async #draw(): Promise<void> {
    // One after the other; and a frame that fails is not worth an error.
    this.#drawing = this.#drawing.then(() => this.#drawFrame()).catch(() => undefined)
    await this.#drawing
  }

  async #drawFrame(): Promise<void> {
    const numbers = readNumbers(await this.#read(), this.#words.actor)
    const perSecond = this.#notePace(numbers)
    if (!this.#stream.isTTY) {
      this.#stream.write(`${describeLine(numbers, perSecond)}\n`)
      return
    }
    const lines = describeScreen(numbers, perSecond, this.#words).map((line) => line.slice(0, this.#stream.columns - 1))
    this.#stream.write(`${this.#erase()}${lines.join('\n')}\n`)
    this.#drawnLines = lines.length
  }

  #notePace(numbers: ViewNumbers): number {
    const atMs = performance.now()
    const before = this.#previous ?? { numbers, atMs: atMs - FRAME_MS }
    this.#previous = { numbers, atMs }
    return ((numbers.handled - before.numbers.handled) * 1000) / (atMs - before.atMs)
  }

  /** Back to where the last frame began, and away with it. */
  #erase(): string {
    return this.#drawnLines === 0 ? '' : `\x1b[${String(this.#drawnLines)}A\x1b[0J`
  }
}
