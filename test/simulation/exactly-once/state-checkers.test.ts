/** Each checker of state sees a planted violation, and nothing where there is none. */
import { describe, expect, test } from 'vitest'
import type { WorldFacts } from '../checker.ts'
import { Journal, type Commit, type Fate, type JournalEvent, type StateEntry } from '../journal.ts'
import { stateCheckers } from './state-checkers.ts'

const facts: WorldFacts = {
  order: 'key',
  concurrency: 2,
  handlerTimeoutMs: 100,
  maxRecords: 10,
  guarantee: 'exactly-once',
  state: { ttlMs: 100 },
  isCalm: false,
}
const place = { topic: 'in', partition: 0 }
const client = 'a'
const one: Fate = { type: 'outputs', count: 1 }
const letter: Fate = { type: 'dead-letter' }

function handled(key: string, ...offsets: number[]): StateEntry[] {
  return [
    { state: 'handled', key, value: offsets },
    { state: 'recent', key, value: offsets.at(-1) ?? null },
  ]
}

class Story {
  readonly #journal = new Journal(() => 0)

  get events(): readonly JournalEvent[] {
    return this.#journal.events
  }

  input(offset: number, key: string | null, timestampMs: number, fate: Fate = one): this {
    this.#journal.note({ type: 'input', key, fate, timestampMs, ...place, offset })
    return this
  }

  checkpoint(
    number: number,
    position: number,
    values: readonly StateEntry[],
    { map = {}, streamTime = null, stateOf = number }: CheckpointParts = {},
  ): this {
    const commit: Commit = { ...place, position, frontier: position, unfinished: [], checkpoint: number, ...map }
    const state = [{ ...place, checkpoint: stateOf, streamTime, values }]
    this.#journal.note({ type: 'transaction', client, outcome: 'committed', outputs: [], commits: [commit], state })
    return this
  }

  stored(checkpoint: number): this {
    this.#journal.note({ type: 'stored', client, checkpoint, ...place })
    return this
  }

  read(offset: number, found: readonly number[], recent: number | null): this {
    this.#journal.note({ type: 'state-read', client, handled: found, recent, ...place, offset })
    return this
  }

  removed(offset: number): this {
    this.#journal.note({ type: 'removed', ...place, offset })
    return this
  }

  changelog(values: readonly StateEntry[]): this {
    this.#journal.note({ type: 'changelog', values, ...place })
    return this
  }
}

interface CheckpointParts {
  readonly map?: Partial<Commit>
  readonly streamTime?: number | null
  readonly stateOf?: number
}

function violationsIn(promise: string, story: Story): string[] {
  return stateCheckers[promise]!(story.events, facts)
}

const inputs = (): Story =>
  new Story().input(0, 'k', 10).input(1, 'l', 50, letter).input(2, 'k', 20).input(3, null, 40).input(4, 'k', 200)

test('state that is the fold of what is finished, out of order, old and removed, breaks nothing', () => {
  const story = inputs()
    .read(2, [0], 0)
    .checkpoint(7, 1, handled('k', 0, 2), { streamTime: 10, map: { frontier: 3, unfinished: [1, 2] } })
    .stored(7)
    .read(4, [0, 2], null)
    .checkpoint(8, 4, [], { streamTime: 50 })
    .checkpoint(9, 5, handled('k', 0, 2, 4), { streamTime: 200 })
    .changelog(handled('k', 0, 2, 4))
  for (const promise of Object.keys(stateCheckers)) expect(violationsIn(promise, story)).toEqual([])
  const thinned = inputs()
    .removed(0)
    .checkpoint(7, 3, handled('k', 0, 2), { streamTime: 50 })
    .checkpoint(8, 5, handled('k', 2, 4), { streamTime: 200 })
  expect(violationsIn('stateIsTheFold', thinned)).toEqual([])
})

describe('stateIsTheFold', () => {
  test.each([
    ['a record twice', handled('k', 0, 0), 'state of k that is of 0 0, and 0 are finished'],
    ['a record that is missing', [], 'state of k that is of nothing, and 0 are finished'],
    ['a record too many', handled('k', 0, 2), 'state of k that is of 0 2, and 0 are finished'],
    [
      'a failed attempt',
      [...handled('k', 0), ...handled('l', -1)],
      'state of l that is of -1, and nothing are finished',
    ],
  ])('%s', (_what, values, problem) => {
    expect(violationsIn('stateIsTheFold', inputs().checkpoint(7, 1, values, { streamTime: 10 }))).toContain(
      `a committed in/0 at 1 with ${problem}`,
    )
  })

  test('stream time of another position', () => {
    expect(violationsIn('stateIsTheFold', inputs().checkpoint(7, 1, handled('k', 0), { streamTime: 50 }))).toEqual([
      'a committed in/0 at 1 with stream time 50, and 10 is that of its position',
    ])
  })

  test('a value forgotten before its time', () => {
    const values: StateEntry[] = [{ state: 'handled', key: 'k', value: [0] }]
    expect(violationsIn('stateIsTheFold', inputs().checkpoint(7, 1, values, { streamTime: 10 }))).toEqual([
      'a committed in/0 at 1 with null as the last of k, which is 0',
    ])
  })

  test('state of another checkpoint than the position', () => {
    const story = inputs().checkpoint(7, 1, handled('k', 0), { streamTime: 10, stateOf: 6 })
    expect(violationsIn('stateIsTheFold', story)).toEqual(['a committed in/0 at 1 with checkpoint 7, and state of 6'])
  })

  test('a changelog that has lost a key', () => {
    const story = inputs().checkpoint(7, 1, handled('k', 0), { streamTime: 10 }).changelog([])
    expect(violationsIn('stateIsTheFold', story)).toEqual([
      'in the end the changelog of in/0 has null for handled of k, and not [0]',
      'in the end the changelog of in/0 has null for recent of k, and not 0',
    ])
  })
})

test('storesFollow: a store that has what does not stand', () => {
  expect(violationsIn('storesFollow', inputs().stored(0).stored(7).checkpoint(7, 1, handled('k', 0)))).toEqual([
    'a stored checkpoint 7 of in/0, which does not stand',
  ])
})

describe('handlersSeeTheFold', () => {
  test('state without an earlier record, and with a later one', () => {
    expect(violationsIn('handlersSeeTheFold', inputs().read(4, [2], null).read(2, [0, 4], null))).toEqual([
      'a handled in/0/4 with state of 2, not 0 2',
      'a handled in/0/2 with state of 0 4, not 0',
      'a handled in/0/2 with null as the last, not 4',
    ])
  })

  test('a value that is too old', () => {
    expect(violationsIn('handlersSeeTheFold', inputs().read(4, [0, 2], 2))).toEqual([
      'a handled in/0/4 with 2 as the last, not null',
    ])
  })
})
