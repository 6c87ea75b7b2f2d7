/** Each checker of exactly-once sees a planted violation, and nothing where there is none. */
import { describe, expect, test } from 'vitest'
import { Journal, type Fate, type HandlerResult, type JournalEvent, type OutputName } from '../journal.ts'
import { exactlyOnceCheckers } from './checkpoint-checkers.ts'
import type { WorldFacts } from '../checker.ts'

const facts: WorldFacts = {
  order: 'key',
  concurrency: 2,
  handlerTimeoutMs: 100,
  maxRecords: 10,
  guarantee: 'exactly-once',
  isCalm: false,
}
const place = { topic: 'in', partition: 0 }
const client = 'a'

const out = (offset: number, index: OutputName['index'] = 0): OutputName => ({ origin: { ...place, offset }, index })

class Story {
  readonly #journal = new Journal(() => 0)

  get events(): readonly JournalEvent[] {
    return this.#journal.events
  }

  inputs(...fates: Fate[]): this {
    for (const [offset, fate] of fates.entries()) {
      this.#journal.note({ type: 'input', key: 'k', fate, ...place, offset })
    }
    return this
  }

  handled(offset: number): this {
    this.#journal.note({ type: 'handle-end', client, attempt: 1, result: 'done', ...place, offset })
    return this
  }

  /** False: it was told that it had lost it, and has not answered yet. */
  givenBack(isAnswer: boolean): this {
    this.#journal.note({ type: 'fenced', client, partitions: [place], ...(isAnswer ? { isAnswer } : {}) })
    return this
  }

  assigned(): this {
    this.#journal.note({ type: 'assigned', client, starts: [{ ...place, position: 0 }] })
    return this
  }

  inCall(offset: number, result: HandlerResult): this {
    this.#journal.note({ type: 'handle-end', client, attempt: 1, call: 1, result, ...place, offset })
    return this
  }

  lost(offset: number): this {
    this.#journal.note({ type: 'lost', client, records: [{ ...place, offset, batch: 1 }] })
    return this
  }

  row(offset: number, index: number): this {
    this.#journal.note({ type: 'durable', client, sink: 'table', output: out(offset, index) })
    return this
  }

  loose(output: OutputName): this {
    this.#journal.note({ type: 'durable', client, sink: 'out', output })
    return this
  }

  looseCommit(position: number): this {
    this.#journal.note({ type: 'committed', client, ...place, position, frontier: position, unfinished: [] })
    return this
  }

  /** A checkpoint, as the stage notes one. */
  checkpoint(
    outputs: readonly OutputName[],
    position: number,
    map: { readonly frontier: number; readonly unfinished: readonly number[] } = { frontier: position, unfinished: [] },
  ): this {
    const commits = [{ ...place, position, ...map }]
    this.#journal.note({ type: 'transaction', client, outcome: 'committed', outputs, commits, state: [] })
    for (const output of outputs) this.#journal.note({ type: 'durable', client, sink: 'out', output })
    for (const commit of commits) this.#journal.note({ type: 'committed', client, ...commit })
    return this
  }

  aborted(outputs: readonly OutputName[]): this {
    this.#journal.note({ type: 'transaction', client, outcome: 'aborted', outputs, commits: [], state: [] })
    return this
  }
}

const one: Fate = { type: 'outputs', count: 1 }
const two: Fate = { type: 'outputs', count: 2 }
const letter: Fate = { type: 'dead-letter' }
const skip: Fate = { type: 'skip' }

function violationsIn(promise: string, story: Story): string[] {
  return exactlyOnceCheckers[promise]!(story.events, facts)
}

test('checkpoints that are whole, out of order, with an aborted one in between, break nothing', () => {
  const story = new Story()
    .inputs(one, two, letter, skip)
    .aborted([out(0), out(1)])
    .row(1, 1)
    .checkpoint([out(1)], 0, { frontier: 2, unfinished: [0, 1] })
    .checkpoint([out(0), out(2, 'dead-letter')], 3)
    .checkpoint([], 4)
  for (const promise of Object.keys(exactlyOnceCheckers)) expect(violationsIn(promise, story)).toEqual([])
})

describe('outputsAreOnce', () => {
  test('an output that is seen twice', () => {
    const story = new Story()
      .inputs(one)
      .checkpoint([out(0)], 1)
      .checkpoint([out(0)], 1)
    expect(violationsIn('outputsAreOnce', story)).toEqual(['a repeated in/0/0/0'])
  })

  test('a dead letter beside outputs', () => {
    const story = new Story().inputs(two).checkpoint([out(0), out(0, 'dead-letter')], 1)
    expect(violationsIn('outputsAreOnce', story)).toEqual(['in/0/0 has outputs and a dead letter'])
  })
})

describe('calmHandlesOnce', () => {
  test('a record that is handled again, and what may be', () => {
    const story = new Story().inputs(one, one, one).handled(0).handled(0).handled(1).lost(1).handled(1)
    expect(exactlyOnceCheckers['calmHandlesOnce']!(story.events, { ...facts, isCalm: true })).toEqual([
      'a handled in/0/0 again',
    ])
    expect(violationsIn('calmHandlesOnce', story)).toEqual([])
  })

  test('a record whose outcome counted for nothing, because an earlier one of its key had failed in its call', () => {
    const story = new Story().inputs(letter, one).inCall(0, 'dead-letter').inCall(1, 'done').handled(1)
    const violationsWith = (more: Partial<WorldFacts>): string[] =>
      exactlyOnceCheckers['calmHandlesOnce']!(story.events, { ...facts, isCalm: true, ...more })
    expect(violationsWith({ state: { ttlMs: 1_000 } })).toEqual([])
    expect(violationsWith({})).toEqual(['a handled in/0/1 again'])
  })
})

describe('revokesWait', () => {
  const decidedAfter = (story: Story): string[] => violationsIn('revokesWait', story.checkpoint([], 1).aborted([]))

  test('a transaction that is decided after its partition was given back', () => {
    expect(decidedAfter(new Story().inputs(one).givenBack(true))).toEqual([
      'a gave in/0 back, and 1 of it was committed after that',
    ])
  })

  test('one of a partition that came back, or of which nobody has told the member, is none', () => {
    expect(decidedAfter(new Story().inputs(one).givenBack(true).assigned())).toEqual([])
    expect(decidedAfter(new Story().inputs(one).givenBack(false))).toEqual([])
  })
})

describe('checkpointsAreWhole', () => {
  test.each([
    ['a position past a record whose outputs are elsewhere', new Story().inputs(one, one).checkpoint([out(1)], 2)],
    ['a row that is not in the table', new Story().inputs(two).checkpoint([out(0)], 1)],
    ['a dead letter that is missing', new Story().inputs(letter).checkpoint([], 1)],
    [
      'a map that shows more than was written',
      new Story().inputs(one, one, one).checkpoint([out(2)], 0, { frontier: 3, unfinished: [0, 1] }),
    ],
  ])('%s', (_what, story) => {
    expect(violationsIn('checkpointsAreWhole', story)).toEqual([expect.stringContaining('as finished without')])
  })

  test('outputs of a record that the positions do not show', () => {
    const story = new Story().inputs(one, one).checkpoint([out(0), out(1)], 1)
    expect(violationsIn('checkpointsAreWhole', story)).toEqual([
      'a committed outputs of in/0/1, and not that it is finished',
    ])
  })

  test('an output, and a position, outside any transaction', () => {
    const story = new Story().inputs(one).loose(out(0)).looseCommit(1)
    expect(violationsIn('checkpointsAreWhole', story)).toEqual([
      'a wrote in/0/0/0 outside a transaction',
      'a committed in/0 outside a transaction',
    ])
  })
})
