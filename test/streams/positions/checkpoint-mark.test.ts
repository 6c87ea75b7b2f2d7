import { describe, expect, test } from 'vitest'
import { checkpointOf, encodeMark, markLength } from '../../../src/streams/positions/checkpoint-mark.ts'
import { decodeCompletionMap, encodeCompletionMap } from '../../../src/streams/positions/completion-map.ts'
import { decodeOrigin, encodeOrigin } from '../../../src/streams/positions/topic-origin.ts'

const origin = { id: 77, partitions: 4 }
const map = encodeCompletionMap({ position: 10, frontier: 30, unfinished: Float64Array.of(10, 12) }) as string

describe('the mark of a checkpoint', () => {
  test('is found with its position, alone, behind an origin, and before a map', () => {
    const numbers = [0, 1, 65_536, Date.UTC(2026, 0, 1), 2 ** 48 - 1]
    for (const number of numbers) {
      const mark = encodeMark(number, 10)
      expect(mark).toHaveLength(markLength)
      for (const metadata of [mark, encodeOrigin(origin, 10) + mark, encodeOrigin(origin, 10) + mark + map]) {
        expect(checkpointOf(metadata, 10)).toBe(number)
      }
    }
  })

  test('leaves origin and map as they are', () => {
    const metadata = encodeOrigin(origin, 10) + encodeMark(5, 10) + map
    expect(decodeOrigin(metadata, 10)).toEqual(origin)
    const decoded = decodeCompletionMap(metadata, { position: 10 })
    expect(decoded.kind === 'map' && [...decoded.map.unfinished]).toEqual([10, 12])
    expect(decodeCompletionMap(encodeOrigin(origin, 10) + encodeMark(5, 10), { position: 10 })).toEqual({
      kind: 'none',
    })
  })

  test('is none where there is none, where it is of another position, and where it is damaged', () => {
    expect(checkpointOf('', 10)).toBeNull()
    expect(checkpointOf(encodeOrigin(origin, 10) + map, 10)).toBeNull()
    expect(checkpointOf(encodeMark(5, 10), 11)).toBeNull()
    const mark = encodeMark(5, 10)
    for (let at = 0; at < markLength; at += 1) {
      const damaged = `${mark.slice(0, at)}Ā${mark.slice(at + 1)}`
      if (damaged === mark) continue
      expect(checkpointOf(damaged, 10)).toBeNull()
      expect(decodeCompletionMap(damaged + map, { position: 10 }).kind).not.toBe('map')
    }
  })
})
