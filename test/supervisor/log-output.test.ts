import { expect, test } from 'vitest'
import { LogOutput } from '../../src/supervisor/log-output.ts'

/** A reader with room for so many bytes, who takes them away when told to. */
class Pipe {
  room: number
  text = ''
  error: Error | null = null
  readonly output: LogOutput
  readonly told: number[] = []
  #retry: (() => void) | null = null
  /** Only the waiting of a process that ends looks at it: each look takes a second. */
  nowMs = 0

  constructor(room: number) {
    this.room = room
    this.output = new LogOutput({
      write: (bytes) => {
        if (this.error !== null) throw this.error
        if (this.room === 0) throw Object.assign(new Error('no room'), { code: 'EAGAIN' })
        const count = Math.min(this.room, bytes.length)
        this.text += bytes.subarray(0, count).toString('latin1')
        this.room -= count
        return count
      },
      repeat: (_intervalMs, work) => {
        this.#retry = work
        return () => (this.#retry = null)
      },
      clock: { now: () => (this.nowMs += 1000) },
    })
    this.output.onFlowing = (dropped) => this.told.push(dropped)
  }

  get isRetrying(): boolean {
    return this.#retry !== null
  }

  read(room: number): void {
    this.room = room
    this.#retry?.()
  }
}

const MIB = 1024 * 1024
const line = (letter: string): string => `${letter.repeat(MIB - 1)}\n`

test('a line is written at once where there is room, and nothing stays behind', () => {
  const pipe = new Pipe(100)
  pipe.output.write('one\n')
  expect(pipe).toMatchObject({ text: 'one\n', isRetrying: false })
})

test('a line that finds half of its room is written on where it was cut, before those after it', () => {
  const pipe = new Pipe(5)
  pipe.output.write('one\n')
  pipe.output.write('two\n')
  pipe.output.write('three\n')
  expect(pipe.text).toBe('one\nt')
  pipe.read(4)
  pipe.read(100)
  expect(pipe).toMatchObject({ text: 'one\ntwo\nthree\n', isRetrying: false, told: [] })
  expect(pipe.output.dropped).toBe(0)
})

test('what nobody reads is kept up to four megabytes; the newest beyond that are dropped, counted, and told of once', () => {
  const pipe = new Pipe(0)
  for (const letter of ['a', 'b', 'c', 'd', 'e', 'f']) pipe.output.write(line(letter))
  expect(pipe.output.dropped).toBe(2)
  expect(pipe.told).toEqual([])
  pipe.read(100 * MIB)
  expect(pipe.text).toBe(['a', 'b', 'c', 'd'].map(line).join(''))
  expect(pipe.told).toEqual([2])
  pipe.output.write('after\n')
  expect(pipe.text).toMatch(/after\n$/)
  expect(pipe.told).toEqual([2])
  expect(pipe.output.dropped).toBe(2)
})

test.each(['EPIPE', 'EIO', 'ENOSPC'])('%s is no failure: a line that may be written later is', (code) => {
  const pipe = new Pipe(100)
  pipe.error = Object.assign(new Error(code), { code })
  pipe.output.write('one\n')
  pipe.error = null
  pipe.output.write('two\n')
  expect(pipe.text).toBe('one\ntwo\n')
})

test('a process that ends waits for a reader that has no room, and no longer than it may', () => {
  const pipe = new Pipe(0)
  pipe.output.write('last\n')
  pipe.output.writeOut(3_000)
  expect(pipe.nowMs).toBeLessThanOrEqual(5_000)
  expect(pipe.text).toBe('')
})

test('a process that ends writes its last words first, though there was no room for them, and how much was dropped', () => {
  const pipe = new Pipe(2)
  pipe.output.onFlowing = (dropped) => pipe.output.writeAnyway(`${dropped} dropped\n`)
  pipe.output.write('begun\n')
  for (const letter of ['a', 'b', 'c', 'd', 'e']) pipe.output.write(line(letter))
  pipe.output.writeAnyway('SIGTERM\n')
  pipe.room = 'gun\nSIGTERM\n2 dropped\n'.length
  pipe.output.writeOut(3_000)
  expect(pipe.text).toBe('begun\nSIGTERM\n2 dropped\n')
})

test('a process that ends does not wait for a reader that has gone', () => {
  const pipe = new Pipe(0)
  pipe.error = Object.assign(new Error('gone'), { code: 'EPIPE' })
  pipe.output.write('last\n')
  pipe.output.writeOut(1_000_000)
  expect(pipe.nowMs).toBeLessThanOrEqual(2_000)
})
