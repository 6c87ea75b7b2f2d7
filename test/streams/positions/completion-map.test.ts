import { crc32, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CompletionMap,
  decodeCompletionMap,
  encodeCompletionMap,
  maxMetadataCharacters,
  type CompletionSnapshot,
} from '../../../src/streams/positions/completion-map.ts'
import { RunList } from '../../../src/streams/positions/run-list.ts'
import { fromWideText, toWideText } from '../../../src/streams/positions/wide-text.ts'

/** The snapshot in which the offsets of `[position, frontier)` for which `isUnfinished` holds are unfinished. */
function snapshotOf(
  position: number,
  frontier: number,
  isUnfinished: (index: number) => boolean,
): CompletionSnapshot & { unfinished: Float64Array } {
  const runs = new RunList()
  for (let index = 0; index < frontier - position; index++) {
    if (isUnfinished(index)) runs.add(position + index, position + index + 1)
  }
  return { position, frontier, unfinished: runs.toArray() }
}

/** The text of a snapshot that has to fit. */
function textOf(snapshot: CompletionSnapshot): string {
  const text = encodeCompletionMap(snapshot)
  if (typeof text !== 'string') throw new Error(`does not fit: ${text.characters} characters`)
  return text
}

function mapOf(text: string, position: number): CompletionMap {
  const read = decodeCompletionMap(text, { position })
  if (read.kind !== 'map') throw new Error(`not a map: ${JSON.stringify(read)}`)
  return read.map
}

/** Expects the map to say of every offset around the snapshot what the snapshot says. */
function expectSame(map: CompletionMap, { position, frontier, unfinished }: CompletionSnapshot): void {
  let run = 0
  let wrong = 0
  for (let offset = Math.max(0, position - 2); offset < frontier + 2; offset++) {
    while (run < unfinished.length && unfinished[run + 1]! <= offset) run += 2
    const isOpen = run < unfinished.length && unfinished[run]! <= offset
    const isFinished = offset >= position && offset < frontier && !isOpen
    if (map.isFinished(offset) !== isFinished) wrong += 1
  }
  expect(wrong).toBe(0)
}

/** What this process has had of the processors, which others on a busy machine do not add to. */
function cpuMsSince(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}

/** A repeatable sequence of numbers in [0, 1): linear congruence, as in Numerical Recipes. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
}

const snapshots = fc
  .record({
    position: fc.constantFrom(0, 1, 2 ** 31 - 5, 2 ** 32, 2 ** 53 - 2 ** 20),
    stretches: fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 500 })), {
      maxLength: 120,
    }),
    beginsFinished: fc.boolean(),
  })
  .map(({ position, stretches, beginsFinished }) => {
    const runs = new RunList()
    let end = position
    stretches.forEach((length, index) => {
      if ((index % 2 === 0) !== beginsFinished) runs.add(end, end + length)
      end += length
    })
    return { position, frontier: end, unfinished: runs.toArray() }
  })

describe('a map that is written and read', () => {
  test('says of every offset what it said before', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const text = textOf(snapshot)
        if (text === '') return
        expectSame(mapOf(text, snapshot.position), snapshot)
      }),
    )
  })

  test('is empty where nothing beyond the position is finished', () => {
    expect(encodeCompletionMap(snapshotOf(10, 10, () => false))).toBe('')
    expect(encodeCompletionMap(snapshotOf(10, 5000, () => true))).toBe('')
    expect(decodeCompletionMap('', { position: 10 })).toEqual({ kind: 'none' })
  })

  test('is never empty where something is', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const map = new CompletionMap(snapshot)
        const covered = snapshot.frontier - snapshot.position
        expect(textOf(snapshot) === '').toBe(map.unfinishedCount === covered)
      }),
    )
  })

  // Case 27.
  test.each([2 ** 15, 2 ** 31, 2 ** 33, 2 ** 52])('is right over a range of %d offsets', (range) => {
    const unfinished = Float64Array.of(5, 6, range - 2, range - 1)
    const map = mapOf(textOf({ position: 5, frontier: range, unfinished }), 5)
    expect([5, 6, range - 3, range - 2, range - 1, range].map((offset) => map.isFinished(offset))).toEqual([
      false,
      true,
      true,
      false,
      true,
      false,
    ])
    expect(map.unfinishedCount).toBe(2)
  })

  test('reaches to the last position there is', () => {
    const snapshot = snapshotOf(2 ** 53 - 4, 2 ** 53, (index) => index === 1)
    const map = mapOf(textOf(snapshot), snapshot.position)
    expect(map.frontier).toBe(2 ** 53)
    expect(map.isFinished(2 ** 53 - 1)).toBe(true)
    expect(map.isFinished(2 ** 53 - 3)).toBe(false)
  })

  test('may begin with finished records: what was read at assignment and has not come again', () => {
    const snapshot = { position: 100, frontier: 200, unfinished: Float64Array.of() }
    expectSame(mapOf(textOf(snapshot), 100), snapshot)
  })

  test('has only characters that every client passes on', () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        expect(textOf(snapshot)).toMatch(/^(|T~1[\u0100-\u80ff]+)$/)
      }),
    )
  })
})

describe('each encoding', () => {
  const random = randomFrom(1)
  /** Form byte of the text, of which completion-payload.ts says: 1 bitmap, 2 deflated. */
  const formOf = (text: string) => fromWideText(text.slice(3))![0]
  test.each([
    ['lengths', 0, snapshotOf(7, 10_000, (index) => index % 900 === 0)],
    ['bitmap', 1, snapshotOf(7, 300, () => random() < 0.5)],
    ['deflated lengths', 2, snapshotOf(7, 200_000, (index) => index % 300 === 0)],
    ['deflated bitmap', 3, snapshotOf(7, 20_000, (index) => index % 2 === 0)],
  ])('%s is taken where it is the smallest, and reads back right', (_, form, snapshot) => {
    const text = textOf(snapshot)
    expect(formOf(text)).toBe(form)
    expectSame(mapOf(text, 7), snapshot)
  })
})

describe('the size', () => {
  // Case 26.
  test('of 200,000 or a million finished behind one stuck record is at most 16 characters', () => {
    expect(textOf(snapshotOf(3e9, 3e9 + 200_001, (index) => index === 0)).length).toBeLessThanOrEqual(16)
    expect(textOf(snapshotOf(3e9, 3e9 + 1_000_001, (index) => index === 0)).length).toBeLessThanOrEqual(16)
  })

  // Case 25. A bit for each is 2,500 bytes, 1,334 characters, and nothing can beat that by much.
  test('of random completions over 20,000 offsets fits', () => {
    const random = randomFrom(2)
    const snapshot = snapshotOf(3e9, 3e9 + 20_000, () => random() < 0.5)
    const text = textOf(snapshot)
    expect(text.length).toBeLessThan(1334 + 16)
    expectSame(mapOf(text, 3e9), snapshot)
  })

  // Case 25. 25,000 bytes of noise are 13,334 characters.
  test('of random completions over 200,000 offsets is too large, and said to be', () => {
    const random = randomFrom(3)
    const encoded = encodeCompletionMap(snapshotOf(3e9, 3e9 + 200_000, () => random() < 0.5))
    expect(encoded).toMatchObject({ tooLarge: true })
    expect((encoded as { characters: number }).characters).toBeGreaterThan(13_000)
  })

  test('of ten million random completions is too large at once', () => {
    const random = randomFrom(4)
    const snapshot = snapshotOf(0, 10_000_000, () => random() < 0.5)
    const begin = process.cpuUsage()
    expect(encodeCompletionMap(snapshot)).toMatchObject({ tooLarge: true })
    expect(cpuMsSince(begin)).toBeLessThan(1000)
  })

  // 50,000 records of which one in ten waits carry 0.469 bits each: 1,564 characters.
  test('of random completions is near what there is to tell', () => {
    const random = randomFrom(7)
    expect(textOf(snapshotOf(0, 50_000, () => random() < 0.1)).length).toBeLessThan(1.07 * 1564)
    expect(textOf(snapshotOf(0, 50_000, () => random() < 0.9)).length).toBeLessThan(1.07 * 1564)
  })

  // Case 25: half a million records of which every tenth waits are a pattern, not noise.
  test('of a regular pattern over 500,000 offsets fits', () => {
    expect(textOf(snapshotOf(0, 500_000, (index) => index % 10 === 0)).length).toBeLessThan(1000)
  })

  test('never grows to what is not read back', () => {
    for (const range of [524_000, 524_286, 530_000, 1_000_000]) {
      const snapshot = snapshotOf(0, range, (index) => index % 10 === 0)
      const encoded = encodeCompletionMap(snapshot)
      if (typeof encoded !== 'string') continue
      const read = mapOf(encoded, 0).unfinished
      expect(Buffer.compare(Buffer.from(read.buffer), Buffer.from(snapshot.unfinished.buffer))).toBe(0)
    }
  })

  test('stays within the limit given, to the character', () => {
    const random = randomFrom(5)
    const snapshot = snapshotOf(0, 5000, () => random() < 0.5)
    const { length } = textOf(snapshot)
    expect(encodeCompletionMap(snapshot, { maxCharacters: length })).toHaveLength(length)
    expect(encodeCompletionMap(snapshot, { maxCharacters: length - 1 })).toEqual({ tooLarge: true, characters: length })
    expect(encodeCompletionMap(snapshot, { maxCharacters: 0 })).toEqual({ tooLarge: true, characters: length })
    expect(
      encodeCompletionMap(
        snapshotOf(0, 0, () => false),
        { maxCharacters: 0 },
      ),
    ).toBe('')
  })

  // Case 25: 4095 characters, with the client's NUL 4096, are what a broker takes.
  test('never exceeds what a broker takes, and comes close to it', () => {
    const random = randomFrom(6)
    const noise = Array.from({ length: 70_000 }, () => random() < 0.5)
    let longest = 0
    for (let range = 60_000; range < 62_500; range += 50) {
      const encoded = encodeCompletionMap(
        snapshotOf(0, range, (index) => noise[index]!),
        { maxCharacters: 10_000 },
      )
      if (typeof encoded === 'string') longest = Math.max(longest, encoded.length)
      else expect(encoded.characters).toBeGreaterThan(maxMetadataCharacters)
    }
    expect(maxMetadataCharacters).toBe(4095)
    expect(longest).toBeLessThanOrEqual(4095)
    expect(longest).toBeGreaterThan(4080)
  })
})

// Cases 28 and 30. What must never happen is that a changed text reads as a map.
describe('a damaged text', () => {
  const position = 3_000_000_000
  const texts = [
    textOf(snapshotOf(position, position + 200_001, (index) => index === 0)),
    textOf(snapshotOf(position, position + 300, (index) => index % 3 === 0)),
    textOf(snapshotOf(position, position + 4000, (index) => index % 100 < 2)),
    ...[13, 14, 15, 16, 17, 18, 19].map((size) =>
      textOf(snapshotOf(position, position + 8 * size, (index) => (index * 7) % 5 < 2)),
    ),
  ]
  const kindOf = (text: string) => decodeCompletionMap(text, { position }).kind
  const any = fc.constantFrom(...texts)

  test('is still right with the NUL that the client adds, once', () => {
    for (const text of texts) {
      expect(decodeCompletionMap(`${text}\0`, { position })).toEqual(decodeCompletionMap(text, { position }))
      expect(kindOf(text)).toBe('map')
      expect(kindOf(`${text}\0\0`)).toBe('corrupt')
    }
    expect(kindOf('\0')).toBe('none')
  })

  test('is recognised when its last byte was cut', () => {
    for (const text of texts) {
      expect(kindOf(text.slice(0, -1))).toBe('corrupt')
      expect(kindOf(`${text.slice(0, -1)}\ufffd`)).toBe('corrupt')
    }
  })

  test('is recognised wherever it is cut', () => {
    for (const text of texts) {
      for (let length = 1; length < text.length; length++) expect(kindOf(text.slice(0, length))).not.toBe('map')
    }
  })

  test('is recognised whatever is added, anywhere', () => {
    const more = fc.oneof(
      fc.string({ minLength: 1, maxLength: 3, unit: 'binary' }),
      fc.constantFrom('\u0100', '\u0100\u0100'),
    )
    fc.assert(
      fc.property(any, fc.nat(), more, (text, where, added) => {
        const at = where % (text.length + 1)
        const changed = text.slice(0, at) + added + text.slice(at)
        if (changed !== `${text}\0`) expect(kindOf(changed)).not.toBe('map')
      }),
    )
  })

  test('is recognised whatever a character becomes', () => {
    const other = fc.oneof(fc.integer({ min: 0x100, max: 0x80ff }), fc.integer({ min: 0, max: 0xffff }))
    fc.assert(
      fc.property(any, fc.nat(), other, (text, where, code) => {
        const at = where % text.length
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1)
        if (changed !== text) expect(kindOf(changed)).not.toBe('map')
      }),
      { numRuns: 3000 },
    )
  })

  test('is recognised with any single bit turned', () => {
    for (const text of texts) {
      for (let at = 0; at < text.length; at++) {
        for (let bit = 0; bit < 16; bit++) {
          const turned = String.fromCharCode(text.charCodeAt(at) ^ (1 << bit))
          expect(kindOf(text.slice(0, at) + turned + text.slice(at + 1))).not.toBe('map')
        }
      }
    }
  })

  // Tools that move a group's offsets copy the metadata along.
  test('is one that stands with another position', () => {
    for (const text of texts) {
      expect(decodeCompletionMap(text, { position: position - 1 }).kind).toBe('corrupt')
      expect(decodeCompletionMap(text, { position: position + 1 }).kind).toBe('corrupt')
    }
  })

  // Cases 24 and 28: a log that was truncated or created again.
  test('is one that reaches beyond the end of the log', () => {
    const text = textOf(snapshotOf(10, 20, (index) => index === 0))
    expect(decodeCompletionMap(text, { position: 10, end: 20 }).kind).toBe('map')
    expect(decodeCompletionMap(text, { position: 10, end: 19 })).toMatchObject({
      kind: 'corrupt',
      reason: expect.stringContaining('beyond the end of the log at 19') as string,
    })
  })
})

// Case 28.
describe('text of others', () => {
  test.each([
    ['Kafka Streams (base64 of version and stream time)', 'AQAAAYkBu8fA'],
    ['Kafka Streams, version 2', 'AgAAAYkBu8fAAAAAAA=='],
    ['Confluent Parallel Consumer (base64, run-length)', 'bAAIAAAABAAM='],
    ['plain text', 'committed by consumer-1'],
    ['JSON', '{"offset":17}'],
    ['one letter', 'T'],
    ['a tilde', '~1'],
    ['wide characters without the head', '\u0100\u0101\u0102'],
    ['half a surrogate', '\ud800'],
    ['a NUL and more', '\0T~1'],
    ['4095 characters', 'x'.repeat(4095)],
  ])('%s is foreign', (_, text) => {
    expect(decodeCompletionMap(text, { position: 10 }).kind).toBe('foreign')
  })

  test('is never misread and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', 'T', 'T~', 'T~1'), (text, head) => {
        expect(decodeCompletionMap(head + text, { position: 10 }).kind).not.toBe('map')
      }),
    )
  })

  test.each([
    ['4', 4],
    ['9', 9],
    ['z', 74],
  ])('of our version %s is newer', (character, version) => {
    expect(decodeCompletionMap(`T~${character}anything`, { position: 10 })).toEqual({ kind: 'newer', version })
  })

  test.each(['T~', 'T~0abc', 'T~ abc', 'T~\u0100', 'T~1', 'T~2', 'T~2anything'])(
    '%j is ours and has no version or no body',
    (text) => {
      expect(decodeCompletionMap(text, { position: 10 }).kind).toBe('corrupt')
    },
  )
})

// Case 28: texts whose checksum is right, so that only the lengths they claim are wrong.
describe('a text that was made to harm', () => {
  function forged(form: number, numbers: readonly number[][], payload: Uint8Array, position = 10): string {
    const body = Buffer.concat([Buffer.of(form), ...numbers.map((bytes) => Buffer.from(bytes)), payload])
    const seed = Buffer.alloc(9)
    seed.writeDoubleLE(position)
    seed[8] = 1
    const sum = Buffer.alloc(4)
    sum.writeUInt32LE(crc32(body, crc32(seed)))
    return `T~1${toWideText(Buffer.concat([body, sum]))}`
  }
  const full = 0xff
  const small = Buffer.of(1)

  test('(a sound text made the same way is read: the forgery itself is right)', () => {
    const read = decodeCompletionMap(forged(0, [[20], [1]], small), { position: 10 })
    expect(read).toMatchObject({ kind: 'map', map: { position: 10, frontier: 30 } })
  })

  test.each([
    ['a payload longer than the text', forged(0, [[20], [full, full, full, full, 0x0f]], small)],
    ['a payload shorter than the text', forged(0, [[20], [0]], small)],
    ['a length without an end', forged(0, [[20], Array<number>(12).fill(full)], small)],
    ['a distance without an end', forged(0, [Array<number>(12).fill(full), [1]], small)],
    ['a frontier beyond 2^53', forged(0, [[full, full, full, full, full, full, full, 0x0f], [1]], small)],
    ['a frontier at the position', forged(0, [[0], [1]], small)],
    ['a frontier at the position, by bitmap', forged(1, [[0], [0]], Buffer.of())],
    ['an unknown form', forged(4, [[20], [1]], small)],
    ['no payload', forged(0, [[20], [0]], Buffer.of())],
    ['lengths beyond the frontier', forged(0, [[20], [1]], Buffer.of(20))],
    ['lengths that end finished', forged(0, [[20], [2]], Buffer.of(1, 3))],
    ['an empty length in between', forged(0, [[20], [3]], Buffer.of(1, 0, 1))],
    ['a length cut off', forged(0, [[20], [1]], Buffer.of(0x80))],
    ['a bitmap beyond the frontier', forged(1, [[20], [3]], Buffer.of(0, 0, 0x80))],
    ['what is not deflated', forged(2, [[20], [3]], Buffer.of(255, 255, 255))],
    ['a deflated stream cut off', forged(2, [[20], [5]], deflateRawSync(Buffer.alloc(99, 1)).subarray(0, 5))],
  ])('%s is corrupt', (_, text) => {
    expect(decodeCompletionMap(text, { position: 10 }).kind).toBe('corrupt')
  })

  test('does not make us allocate or work', () => {
    const bomb = deflateRawSync(Buffer.alloc(7_000_000, 0x55))
    const range = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]
    const length = [(bomb.length % 128) + 128, Math.floor(bomb.length / 128)]
    const begin = process.cpuUsage()
    const before = process.memoryUsage().arrayBuffers
    expect(decodeCompletionMap(forged(3, [range, length], bomb), { position: 10 }).kind).toBe('corrupt')
    expect(decodeCompletionMap(`T~1${'\u7fff'.repeat(5_000_000)}`, { position: 10 }).kind).toBe('corrupt')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000)
    expect(cpuMsSince(begin)).toBeLessThan(1000)
  })

  test('may claim a stretch of any length: it is two numbers', () => {
    const stretch = [full, full, full, full, full, full, 0x07] // about 2^45
    const text = forged(0, [[full, full, full, full, full, full, 0x0f], [stretch.length]], Buffer.from(stretch))
    const map = mapOf(text, 10)
    expect(map.unfinished.length).toBe(2)
    expect(map.isFinished(2 ** 44)).toBe(false)
    expect(map.isFinished(2 ** 45 + 2 ** 44)).toBe(true)
  })
})

describe('wide text', () => {
  test('carries any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const read = fromWideText(toWideText(bytes))!
        expect(new Uint8Array(read.subarray(0, bytes.length))).toEqual(bytes)
        expect(read.length - bytes.length).toBeLessThanOrEqual(1)
      }),
    )
  })

  // One UTF-16 unit each, none a surrogate: the whole range survives UTF-8 there and back.
  test('has 32,768 characters that UTF-8 keeps', () => {
    let all = ''
    for (let code = 0x100; code <= 0x80ff; code++) all += String.fromCharCode(code)
    expect(all.length).toBe(32_768)
    expect(Buffer.from(all, 'utf8').toString('utf8')).toBe(all)
    expect(fromWideText(all)).not.toBeNull()
    expect(fromWideText('\u00ff')).toBeNull()
    expect(fromWideText('\u8100' + '\u0100'.repeat(7))).toBeNull()
  })
})
