/** Each checker sees a planted violation, and nothing where there is none. */
import { describe, expect, test } from 'vitest'
import type { WorldFacts } from './checker.ts'
import { checkers, findViolations } from './checkers.ts'
import { Journal, type Fate, type HandlerResult, type JournalEvent, type Origin } from './journal.ts'

const facts: WorldFacts = {
  order: 'key',
  concurrency: 2,
  handlerTimeoutMs: 100,
  maxRecords: 10,
  guarantee: 'at-least-once',
  isCalm: false,
}
const one: Fate = { type: 'outputs', count: 1 }

/** Tells a story in few words. */
class Story {
  #nowMs = 0
  readonly #journal = new Journal(() => this.#nowMs)

  get events(): readonly JournalEvent[] {
    return this.#journal.events
  }

  note(event: Parameters<Journal['note']>[0]): this {
    this.#journal.note(event)
    return this
  }

  later(durationMs: number): this {
    this.#nowMs += durationMs
    return this
  }

  input(offset: number, key: string | null = 'k', fate: Fate = one): this {
    this.#journal.note({ type: 'input', key, fate, ...at(offset) })
    return this
  }

  offered(client = 'a'): this {
    this.#journal.note({ type: 'offered', client, partitions: [{ topic: 'in', partition: 0 }] })
    return this
  }

  /** Offered and begun at once. */
  assigned(client = 'a', position = 0): this {
    this.offered(client)
    return this.begun(client, position)
  }

  begun(client = 'a', position = 0): this {
    this.#journal.note({ type: 'assigned', client, starts: [{ topic: 'in', partition: 0, position }] })
    return this
  }

  fenced(client = 'a'): this {
    this.#journal.note({ type: 'fenced', client, partitions: [{ topic: 'in', partition: 0 }] })
    return this
  }

  begin(offset: number, client = 'a', attempt = 1): this {
    this.#journal.note({ type: 'handle-begin', client, attempt, ...at(offset) })
    return this
  }

  end(offset: number, result: HandlerResult = 'done', client = 'a', attempt = 1): this {
    this.#journal.note({ type: 'handle-end', client, attempt, result, ...at(offset) })
    return this
  }

  handled(offset: number, client = 'a'): this {
    return this.begin(offset, client).end(offset, 'done', client)
  }

  write(offsets: number[], client = 'a'): this {
    const outputs = offsets.map((offset) => ({ origin: at(offset), index: 0 }))
    this.#journal.note({ type: 'write', client, sink: 'out', outputs })
    return this
  }

  durable(offset: number, client = 'a', index: number | 'dead-letter' = 0): this {
    this.#journal.note({ type: 'durable', client, sink: 'out', output: { origin: at(offset), index } })
    return this
  }

  written(offset: number, client = 'a'): this {
    return this.write([offset], client).durable(offset, client)
  }

  committed(position: number, frontier = position, unfinished: number[] = [], client = 'a'): this {
    this.#journal.note({ type: 'committed', client, topic: 'in', partition: 0, position, frontier, unfinished })
    return this
  }

  removed(offset: number): this {
    this.#journal.note({ type: 'removed', ...at(offset) })
    return this
  }

  sample(records: number): this {
    this.#journal.note({ type: 'sample', client: 'a', records })
    return this
  }

  started(client = 'a'): this {
    this.#journal.note({ type: 'started', client })
    return this
  }

  ended(client = 'a'): this {
    this.#journal.note({ type: 'ended', client, how: 'stopped' })
    return this
  }
}

function at(offset: number): Origin {
  return { topic: 'in', partition: 0, offset }
}

function tell(): Story {
  return new Story()
}

/** What one checker says of a story. */
function judge(name: keyof typeof checkers, story: Story, changed: Partial<WorldFacts> = {}): string[] {
  return checkers[name]!(story.events, { ...facts, ...changed })
}

const twoInputs = (): Story => tell().started().input(0).input(1).assigned()

test('a world without faults has no violations', () => {
  const story = twoInputs().handled(0).written(0).handled(1).written(1).sample(2).committed(2).fenced().ended()
  expect(findViolations(story.events, { ...facts, isCalm: true })).toEqual([])
})

describe('nothing is lost', () => {
  const lost = ['in/0/1 was never finished']

  test('a record that nobody handled', () => {
    expect(judge('nothingIsLost', twoInputs().handled(0).written(0))).toEqual(lost)
  })

  test('a handled record whose output is not durable', () => {
    expect(judge('nothingIsLost', twoInputs().handled(0).written(0).handled(1).write([1]))).toEqual(lost)
  })

  test('one output of two', () => {
    const story = tell().input(1, 'k', { type: 'outputs', count: 2 }).assigned().handled(1).written(1)
    expect(judge('nothingIsLost', story)).toEqual(lost)
    expect(judge('nothingIsLost', story.durable(1, 'a', 1))).toEqual([])
  })

  test('a dead letter instead of outputs, or outputs instead of a dead letter', () => {
    const story = tell().input(1).assigned().handled(1).durable(1, 'a', 'dead-letter')
    expect(judge('nothingIsLost', story)).toEqual(lost)
    const other = tell().input(1, 'k', { type: 'dead-letter' }).assigned().handled(1).written(1)
    expect(judge('nothingIsLost', other)).toEqual(lost)
  })

  test('what retention took is not lost', () => {
    expect(judge('nothingIsLost', twoInputs().handled(0).written(0).removed(1))).toEqual([])
  })

  test('a skipped record is finished when its handler said so', () => {
    const story = tell().input(1, 'k', { type: 'skip' }).assigned().begin(1)
    expect(judge('nothingIsLost', story)).toEqual(lost)
    expect(judge('nothingIsLost', story.end(1, 'skip'))).toEqual([])
  })
})

describe('commits are true', () => {
  test('a position past a record whose output is not durable yet', () => {
    const story = twoInputs().handled(0).written(0).handled(1).committed(2).written(1)
    expect(judge('commitsAreTrue', story)).toEqual(['a committed in/0 at 2, past unfinished 1'])
  })

  test('a map that shows an unfinished record as finished', () => {
    const story = twoInputs().handled(1).committed(0, 2, [0, 1])
    expect(judge('commitsAreTrue', story)).toEqual(['a committed a map of in/0 that shows unfinished 1 as finished'])
    expect(judge('commitsAreTrue', twoInputs().handled(1).written(1).committed(0, 2, [0, 1]))).toEqual([])
  })

  test('a position that goes back', () => {
    const finished = (): Story => twoInputs().handled(0).written(0).handled(1).written(1)
    expect(judge('commitsAreTrue', finished().committed(2).committed(1))).toEqual([
      'a moved the position of in/0 back from 2 to 1',
    ])
    const successor = finished().committed(2).fenced().assigned('b', 2)
    expect(judge('commitsAreTrue', successor.committed(1, 1, [], 'b'))).toEqual([
      'b moved the position of in/0 back from 2 to 1',
    ])
    const predecessor = finished().assigned('b', 0).fenced('a').committed(2, 2, [], 'b').committed(1, 1, [], 'a')
    expect(judge('commitsAreTrue', predecessor)).toEqual(['a moved the position of in/0 back from 2 to 1'])
  })

  test('two members that both are told it is theirs cannot know of each other', () => {
    const story = twoInputs().handled(0).written(0).handled(1).written(1).assigned('b', 0)
    expect(judge('commitsAreTrue', story.committed(2, 2, [], 'b').committed(1))).toEqual([])
  })

  test('gaps in the log are no records', () => {
    expect(judge('commitsAreTrue', tell().input(0).assigned().handled(0).written(0).committed(9))).toEqual([])
  })
})

describe('what is finished is skipped', () => {
  test('a record below the committed position', () => {
    const story = twoInputs().handled(0).written(0).committed(1).fenced().assigned('b', 1).begin(0, 'b')
    expect(judge('finishedIsSkipped', story)).toHaveLength(1)
  })

  test('a record that the map shows as finished', () => {
    const story = twoInputs().handled(1).written(1).committed(0, 2, [0, 1]).fenced().assigned('b', 0)
    expect(judge('finishedIsSkipped', story)).toEqual([])
    expect(judge('finishedIsSkipped', story.handled(0, 'b'))).toEqual([])
    expect(judge('finishedIsSkipped', story.handled(1, 'b'))).toHaveLength(1)
  })

  test('commits made after the offer do not count', () => {
    const story = twoInputs().offered('b').handled(0).written(0).committed(1).begun('b', 0).begin(0, 'b')
    expect(judge('finishedIsSkipped', story)).toEqual([])
  })
})

describe('handling is ordered', () => {
  test('two records of one key at a time', () => {
    expect(judge('handlingIsOrdered', twoInputs().begin(0).begin(1))).toHaveLength(1)
    expect(judge('handlingIsOrdered', twoInputs().begin(0).begin(1), { order: 'unordered' })).toEqual([])
  })

  test('a later record before an earlier one', () => {
    expect(judge('handlingIsOrdered', twoInputs().handled(1).handled(0))).toHaveLength(1)
  })

  test('other keys, and records without one, do not wait', () => {
    const story = tell().input(0, 'a').input(1, 'b').input(2, null).input(3, null).assigned()
    expect(judge('handlingIsOrdered', story.begin(3).begin(1).begin(0).begin(2))).toEqual([])
    expect(judge('handlingIsOrdered', story, { order: 'partition' }).length).toBeGreaterThan(0)
  })

  test('another epoch begins anew, a retry goes on', () => {
    const story = twoInputs().begin(0).end(0, 'threw').begin(0, 'a', 2).end(0, 'done', 'a', 2).handled(1)
    expect(judge('handlingIsOrdered', story.fenced().assigned().handled(0))).toEqual([])
  })

  test('a retry beside a call that ignores its signal begins when that is given up', () => {
    const retried = (afterMs: number): Story => twoInputs().begin(0).later(afterMs).begin(0, 'a', 2)
    expect(judge('handlingIsOrdered', retried(199))).toHaveLength(1)
    expect(judge('handlingIsOrdered', retried(200))).toEqual([])
    // The end of the call that was given up is not that of its retry.
    expect(judge('handlingIsOrdered', retried(200).end(0, 'ignored').begin(1))).toHaveLength(1)
  })

  describe('in a call of several, behind one of its key that has failed,', () => {
    const call = (story: Story, number: number, ...results: [offset: number, result: HandlerResult][]): Story => {
      for (const [offset, result] of results) {
        const of = { client: 'a', attempt: 1, call: number, ...at(offset) }
        story.note({ type: 'handle-begin', ...of }).note({ type: 'handle-end', result, ...of })
      }
      return story
    }
    const inputs = (): Story => tell().input(0).input(1, 'other').input(2).input(3).assigned()
    const failing = (): Story => call(inputs(), 1, [0, 'dead-letter'], [1, 'done'], [2, 'done'], [3, 'done'])
    const state = { ttlMs: 1_000 }

    test('records go again where state is kept, in their order', () => {
      expect(judge('handlingIsOrdered', call(failing(), 2, [2, 'done'], [3, 'done']), { state })).toEqual([])
      expect(judge('handlingIsOrdered', call(failing(), 2, [3, 'done'], [2, 'done']), { state })).toHaveLength(1)
      expect(judge('handlingIsOrdered', call(failing(), 2, [2, 'done'], [3, 'done']))).toHaveLength(1)
    })

    test('others do not, nor what went well before it', () => {
      const story = call(inputs(), 1, [0, 'done'], [2, 'dead-letter'], [3, 'done'])
      expect(judge('handlingIsOrdered', call(story, 2, [0, 'done']), { state })).toHaveLength(1)
    })

    test('all of the lane goes again where partitions are in order', () => {
      const keys = tell().input(0).input(1).input(2, 'other').assigned()
      const story = call(keys, 1, [0, 'dead-letter'], [1, 'done'], [2, 'done'])
      const again = call(story, 2, [1, 'done'], [2, 'done'])
      expect(judge('handlingIsOrdered', again, { state, order: 'partition' })).toEqual([])
    })
  })

  test('one record in two handlers of an epoch, though nothing is ordered', () => {
    const story = twoInputs().begin(0).begin(0)
    expect(judge('handlingIsOrdered', story, { order: 'unordered' })).toHaveLength(1)
  })

  test('a record of a partition that was given back', () => {
    expect(judge('handlingIsOrdered', twoInputs().fenced().begin(0))).toHaveLength(1)
  })
})

describe('outputs are ordered', () => {
  const handled = (): Story => tell().input(0).input(1).input(2).assigned().handled(0).handled(1).handled(2)

  test('an output before that of an earlier record', () => {
    expect(judge('outputsAreOrdered', handled().written(1).written(0))).toHaveLength(1)
    expect(judge('outputsAreOrdered', handled().written(1).written(0), { order: 'unordered' })).toEqual([])
  })

  test('what retention took may come late, from whoever still holds it', () => {
    expect(judge('outputsAreOrdered', handled().removed(0).written(1).written(0))).toEqual([])
  })

  test('a repeated stretch, in order, is allowed', () => {
    const story = handled().write([0, 1, 2]).durable(0).durable(1).write([0, 1, 2]).durable(0).durable(1).durable(2)
    expect(judge('outputsAreOrdered', story)).toEqual([])
  })

  test('a repeat that leaves one out is not', () => {
    const story = handled().write([0, 1, 2]).durable(0).durable(1).durable(2).write([0, 2]).durable(0).durable(2)
    expect(judge('outputsAreOrdered', story)).toHaveLength(1)
  })

  test('another owner repeats from wherever it begins', () => {
    const story = handled().written(0).written(1).assigned('b', 0).handled(1, 'b').written(1, 'b')
    expect(judge('outputsAreOrdered', story.handled(2, 'b').written(2, 'b'))).toEqual([])
  })
})

describe('a fenced epoch writes nothing', () => {
  test('a write after the partition was given back', () => {
    expect(judge('fencedWritesNothing', twoInputs().handled(0).fenced().write([0]))).toHaveLength(1)
  })

  test('a write of an old epoch in a new one', () => {
    expect(judge('fencedWritesNothing', twoInputs().handled(0).fenced().assigned().write([0]))).toHaveLength(1)
    expect(judge('fencedWritesNothing', twoInputs().fenced().assigned().handled(0).write([0]))).toEqual([])
  })

  test('what was under way may still become durable', () => {
    expect(judge('fencedWritesNothing', twoInputs().handled(0).write([0]).fenced().durable(0))).toEqual([])
  })
})

describe('on threads', () => {
  const handed = (story: Story, batch: number, offsets: number[]): Story =>
    story.note({ type: 'handed', client: 'a', batch, records: offsets.map(at) })
  const began = (story: Story, batch: number, offset: number): Story =>
    story.note({ type: 'handle-begin', client: 'a', attempt: 1, batch, ...at(offset) })
  const died = (story: Story, batch: number, offset: number): Story =>
    story.note({ type: 'handle-end', client: 'a', attempt: 1, batch, result: 'died', ...at(offset) })

  test('what went to a thread before its epoch ended may begin afterwards', () => {
    const story = handed(twoInputs(), 1, [0]).fenced()
    expect(judge('handlingIsOrdered', began(story, 1, 0))).toEqual([])
    const late = handed(twoInputs().fenced(), 2, [0])
    expect(judge('handlingIsOrdered', began(late, 2, 0))).toHaveLength(1)
  })

  test('what a dead thread had goes again from the first of its lane on, and nothing else does', () => {
    const run = (): Story => died(began(began(handed(twoInputs(), 1, [0, 1]), 1, 0).end(0), 1, 1), 1, 1)
    const lost = run().note({
      type: 'lost',
      client: 'a',
      records: [0, 1].map((offset) => ({ ...at(offset), batch: 1 })),
    })
    expect(judge('handlingIsOrdered', began(handed(lost, 2, [0, 1]), 2, 0))).toEqual([])
    expect(judge('handlingIsOrdered', began(handed(run(), 2, [0, 1]), 2, 0))).toHaveLength(1)
  })
})

test('calm worlds repeat nothing', () => {
  const story = twoInputs().handled(0).written(0).written(0)
  expect(judge('calmRepeatsNothing', story, { isCalm: true })).toEqual(['a repeated in/0/0/0'])
  expect(judge('calmRepeatsNothing', story)).toEqual([])
})

test('more records held, or at handlers, than are allowed', () => {
  expect(judge('allIsBounded', tell().sample(10))).toEqual([])
  expect(judge('allIsBounded', tell().sample(11))).toHaveLength(1)
  const busy = tell().begin(0).begin(1)
  expect(judge('allIsBounded', busy)).toEqual([])
  expect(judge('allIsBounded', busy.begin(2))).toHaveLength(1)
})

test('a process that never ends', () => {
  expect(judge('allHasEnded', tell().started('a').started('b').ended('a'))).toEqual(['b never ended'])
})

test('many violations are told shortly', () => {
  const story = tell()
  for (let offset = 0; offset < 50; offset += 1) story.input(offset)
  expect(judge('nothingIsLost', story)).toHaveLength(6)
  expect(judge('nothingIsLost', story).at(-1)).toBe('and 45 more')
})
