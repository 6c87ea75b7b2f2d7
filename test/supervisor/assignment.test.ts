/** How partitions are taken and given back: events, broker and handlers held by hand. */
import { plainKey } from '../../src/actors/key-text.ts'
import { describe, expect, test } from 'vitest'
import type { PartitionActor } from '../../src/actors/partition-actor.ts'
import type { Dispatcher } from '../../src/actors/executors/dispatcher.ts'
import type { LaneRun } from '../../src/actors/lanes/lanes.ts'
import { silentLog } from '../../src/log.ts'
import type { ResolvedActor } from '../../src/options/options.ts'
import type { BrokerConsumer, RebalanceEvent, StoredPosition, Watermarks } from '../../src/streams/broker-port.ts'
import { Committer } from '../../src/streams/delivery/committer.ts'
import { encodeCompletionMap } from '../../src/streams/positions/completion-map.ts'
import { encodeOrigin, originOf } from '../../src/streams/positions/topic-origin.ts'
import type { TopicDescription } from '../../src/streams/broker-port.ts'
import { Credit } from '../../src/streams/credit.ts'
import type { ActorDelivery, Delivery } from '../../src/streams/delivery/delivery.ts'
import type { SourceRecord } from '../../src/streams/record.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Assignment } from '../../src/supervisor/assignment.ts'
import { UserPauses } from '../../src/supervisor/user-pauses.ts'
import { Lookout } from '../../src/lookout.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { inputOf, oneOutput, resolvedActor, sourceRecord } from '../actors/actor-fixture.ts'

/** What an assignment and a committer ask of a client. */
type Asked =
  'describeTopics' | 'committed' | 'watermarks' | 'assign' | 'unassign' | 'storePositions' | 'pause' | 'resume'
const DRAIN_TIMEOUT_MS = 1_000
const place = (partition: number) => ({ topic: 'clicks', partition })
const places = (...partitions: number[]) => partitions.map(place)

interface Options {
  readonly actor?: Partial<ResolvedActor>
  readonly foreignMetadata?: 'ignore' | 'fail'
  readonly maxPartitionRecords?: number
}

/** Says what is asked of the client, in order; `committed` and `logs` are the broker. */
class World {
  readonly clock = new ManualClock()
  readonly said: string[] = []
  readonly committed = new Map<number, StoredPosition>()
  readonly logs = new Map<number, Watermarks>()
  /** What the brokers say of the topic. */
  topic: TopicDescription = { id: null, partitions: 10 }
  readonly failures: unknown[] = []
  readonly credit = new Credit({ maxRecords: 100, maxBytes: 1e9 })
  readonly stats = new EngineStats()
  readonly userPauses = new UserPauses()
  readonly assignment: Assignment
  /** False: the broker is asked before it has what was stored. */
  areCommitsFast = true
  readonly #outputs: (() => void)[] = []
  #newestEvent = 0
  /** Resolves the queries that wait; null: they are answered at once. */
  #heldQueries: (() => void)[] | null = null

  constructor(options: Options = {}) {
    const committer = new Committer({
      intervalMs: 1e9,
      clock: this.clock,
      log: silentLog,
      stats: this.stats,
      events: {
        onRefused: (partitions) => {
          this.assignment.fence(partitions)
        },
        onCommitted: () => undefined,
      },
      assignedCount: () => this.assignment.size,
    })
    committer.begin(this.#consumer)
    this.assignment = new Assignment({
      consumer: this.#consumer,
      actors: new Map([['clicks', { ...resolvedActor, ...options.actor }]]),
      dispatcherOf: () => ({ enlist: () => undefined, pump: () => undefined }) as unknown as Dispatcher,
      delivery: this.#deliveryTo(committer),
      credit: this.credit,
      clock: this.clock,
      lookout: new Lookout(this.clock),
      random: () => 0,
      log: silentLog,
      stats: this.stats,
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
      foreignMetadata: options.foreignMetadata ?? 'ignore',
      keyText: plainKey,
      schemas: null,
      maxPartitionRecords: options.maxPartitionRecords ?? 100,
      maxPartitionBytes: 1e9,
      userPauses: this.userPauses,
      keeping: null,
      onFailure: (error) => this.failures.push(error),
    })
  }

  // --- what the coordinator says

  async assign(...partitions: number[]): Promise<void> {
    this.raise('assign', partitions)
    await this.clock.settle()
  }

  async revoke(...partitions: number[]): Promise<void> {
    this.raise('revoke', partitions)
    await this.clock.settle()
  }

  raise(type: RebalanceEvent['type'], partitions: readonly number[], lost = false): void {
    this.#newestEvent += 1
    this.assignment.noteRebalance({ id: this.#newestEvent, type, partitions: places(...partitions), lost })
  }

  holdQueries(): void {
    this.#heldQueries = []
  }

  async answerQueries(): Promise<void> {
    const held = this.#heldQueries ?? []
    this.#heldQueries = null
    for (const answer of held) answer()
    await this.clock.settle()
  }

  // --- what the handlers and the sinks do

  admit(partition: number, ...offsets: number[]): void {
    this.assignment.admit(offsets.map((offset): SourceRecord => ({ ...sourceRecord(offset, `${offset}`), partition })))
  }

  /** The actor of a partition. */
  actor(partition: number): PartitionActor {
    const actor = [...this.assignment.actors].find((each) => each.partition === partition)
    if (actor === undefined) throw new Error(`nobody owns ${partition}`)
    return actor
  }

  take(partition: number): { actor: PartitionActor; run: LaneRun; offset: number } {
    const actor = this.actor(partition)
    const run = actor.takeRun(1)
    if (run === null) throw new Error('nothing is ready')
    return { actor, run, offset: run.invocations[0]!.record.offset }
  }

  /** Handles the next so many records, which have no outputs. */
  finish(partition: number, count = 1): void {
    for (let at = 0; at < count; at += 1) {
      const { actor, run } = this.take(partition)
      actor.settle(run, [{ type: 'skip' }])
    }
  }

  async makeDurable(): Promise<void> {
    for (const settle of this.#outputs.splice(0)) settle()
    await this.clock.settle()
  }

  #deliveryTo(committer: Committer): Delivery {
    const asked: Pick<
      Delivery,
      keyof ActorDelivery | 'makeDurable' | 'makeDurableSoon' | 'atRest' | 'recorded' | 'forget'
    > = {
      finishesWhen: 'durable',
      deliver: (ticket) => {
        this.#outputs.push(() => {
          // As a sink's queue does it.
          if (!ticket.owner.isFenced) ticket.settle(null)
        })
        return null
      },
      deadLetter: () => undefined,
      noteProgress: (partition) => {
        committer.noteProgress(partition)
      },
      makeDurable: (partitions) => {
        committer.storeNow(partitions)
        return Promise.resolve()
      },
      makeDurableSoon: (partitions) => {
        committer.storeNow(partitions)
      },
      atRest: () => Promise.resolve(),
      recorded: ({ tracker }) => tracker.snapshot(),
      forget: (partition) => {
        committer.forget(partition)
      },
    }
    return asked as Delivery
  }

  get #consumer(): BrokerConsumer {
    const answers = (id: number): boolean => id === this.#newestEvent
    const say = (word: string, partitions: readonly { readonly partition: number }[]): void => {
      this.said.push([word, ...partitions.map(({ partition }) => partition)].join(' '))
    }
    const consumer: Pick<BrokerConsumer, Asked> = {
      describeTopics: () => Promise.resolve(new Map([['clicks', this.topic]])),
      committed: async (partitions) => {
        const held = this.#heldQueries
        if (held !== null) await new Promise<void>((resolve) => held.push(resolve))
        return partitions.map(({ partition }) => ({
          ...(this.committed.get(partition) ?? { ...place(partition), position: null, metadata: '' }),
        }))
      },
      watermarks: ({ partition }) => Promise.resolve(this.logs.get(partition) ?? { low: 0, high: 1_000 }),
      assign: (id, starts) => {
        const words = starts.map(({ partition, position }) => `${partition}@${position}`)
        this.said.push(['assign', ...words, ...(answers(id) ? [] : ['(late)'])].join(' '))
        return answers(id)
      },
      unassign: (id, partitions) => {
        say(answers(id) ? 'unassign' : '(late) unassign', partitions)
        return answers(id)
      },
      storePositions: (positions) => {
        for (const each of positions) {
          this.said.push(`store ${each.partition}@${each.position}`)
          if (this.areCommitsFast) this.committed.set(each.partition, each)
        }
        return []
      },
      pause: (partitions) => {
        say('pause', partitions)
      },
      resume: (partitions) => {
        say('resume', partitions)
      },
    }
    return consumer as BrokerConsumer
  }
}

describe('a revoke', () => {
  // Cases 1, 4 and 57.
  test('waits for what is in flight and its outputs, stores, gives back, and only then ends the epoch', async () => {
    const world = new World()
    await world.assign(0)
    world.admit(0, 0, 1)
    const { actor, run } = world.take(0)
    world.said.length = 0
    await world.revoke(0)
    expect([world.said, actor.isFenced]).toEqual([[], false])
    actor.settle(run, [oneOutput])
    await world.clock.settle()
    expect([world.said, actor.isFenced]).toEqual([[], false])
    await world.makeDurable()
    expect([world.said, actor.isFenced]).toEqual([['store 0@1', 'unassign 0'], true])
  })

  // Case 2.
  test('of one partition leaves the others as they are, in flight or finished', async () => {
    const world = new World()
    await world.assign(0, 1)
    world.admit(0, 0)
    world.admit(1, 0, 1)
    const going = world.take(0)
    const staying = world.take(1)
    await world.revoke(0)
    going.actor.settle(going.run, [{ type: 'skip' }])
    await world.clock.settle()
    staying.actor.settle(staying.run, [{ type: 'skip' }])
    world.finish(1)
    expect([staying.actor.isFenced, inputOf(staying.actor).tracker.safePosition]).toEqual([false, 2])
    await world.revoke(1)
    expect(world.said.filter((word) => word.startsWith('store'))).toEqual(['store 0@1', 'store 1@2'])
  })

  // Cases 5 and 14: nothing that it waits for can take longer than the deadline.
  test('ends with its deadline: what is unfinished is neither stored as done nor ever counts any more', async () => {
    const world = new World()
    await world.assign(0)
    world.admit(0, 0, 1)
    const stuck = world.take(0)
    world.finish(0)
    world.said.length = 0
    await world.revoke(0)
    await world.clock.advance(DRAIN_TIMEOUT_MS - 1)
    expect(world.said).toEqual([])
    await world.clock.advance(1)
    expect(world.said).toEqual(['store 0@0', 'unassign 0'])
    await world.assign(0)
    stuck.actor.settle(stuck.run, [oneOutput])
    await world.makeDurable()
    expect(inputOf(world.actor(0)).tracker.safePosition).toBe(0)
    world.admit(0, 0, 1)
    expect(world.take(0).offset).toBe(0)
    expect(world.actor(0).takeRun(1)).toBeNull()
  })

  // Cases 5 and 6.
  test('that a newer assignment overtakes gives nothing back, and the assignment stands', async () => {
    const world = new World()
    await world.assign(0)
    world.admit(0, 0, 1)
    const { actor, run } = world.take(0)
    world.said.length = 0
    world.raise('revoke', [0])
    world.raise('assign', [0])
    await world.clock.settle()
    actor.settle(run, [{ type: 'skip' }])
    await world.clock.advance(10 * DRAIN_TIMEOUT_MS)
    expect(world.said).toEqual(['store 0@1', '(late) unassign 0', 'assign 0@1'])
    world.admit(0, 1)
    expect([world.take(0).offset, world.assignment.size]).toEqual([1, 1])
  })

  // Case 6: nobody else has owned the partition.
  test('that was overtaken: the new epoch begins where the old one ended, though the broker does not know it yet', async () => {
    const world = new World()
    await world.assign(0)
    world.admit(0, 0, 1, 2)
    const stuck = world.take(0)
    world.finish(0, 2)
    world.raise('revoke', [0])
    world.raise('assign', [0])
    await world.clock.settle()
    world.areCommitsFast = false
    stuck.actor.settle(stuck.run, [{ type: 'skip' }])
    await world.clock.settle()
    expect(world.said.at(-1)).toBe('assign 0@3')
  })

  // Case 6.
  test('that was overtaken speaks for the next epoch only: then, and where the broker knows more, the commit counts', async () => {
    const world = new World()
    await world.assign(0)
    world.admit(0, 0, 1, 2)
    world.take(0)
    world.finish(0)
    world.raise('revoke', [0])
    world.raise('assign', [0])
    await world.clock.advance(DRAIN_TIMEOUT_MS)
    // Now the stuck record is still the first, and one more is finished behind it.
    world.admit(0, 0, 1, 2)
    world.take(0)
    world.finish(0)
    await world.revoke(0)
    await world.clock.advance(DRAIN_TIMEOUT_MS)
    await world.assign(0)
    world.admit(0, 0, 1, 2)
    expect([world.take(0).offset, world.actor(0).takeRun(1)]).toEqual([0, null])
    world.raise('revoke', [0])
    world.raise('assign', [0])
    world.committed.set(0, { ...place(0), position: 7, metadata: '' })
    world.areCommitsFast = false
    await world.clock.advance(DRAIN_TIMEOUT_MS)
    expect(world.said.at(-1)).toBe('assign 0@7')
  })

  // Case 13.
  test('of lost partitions ends their epochs in the very callback, and stores nothing', async () => {
    const world = new World()
    await world.assign(0, 1)
    world.admit(0, 0, 1)
    world.finish(0)
    const late = world.take(0)
    world.said.length = 0
    world.raise('revoke', [0], true)
    expect([late.actor.isFenced, world.assignment.size]).toEqual([true, 1])
    late.actor.settle(late.run, [oneOutput])
    await world.makeDurable()
    expect(world.said).toEqual(['unassign 0'])
    expect(world.credit.recordsInFlight).toBe(0)
  })

  // Case 13: an event that waits for a drain must not hold it up.
  test('of lost partitions does not wait for the revoke before it', async () => {
    const world = new World()
    await world.assign(0, 1)
    for (const partition of [0, 1]) world.admit(partition, 0)
    const slow = world.take(0)
    const lost = world.take(1)
    await world.revoke(0)
    world.raise('revoke', [0, 1], true)
    expect([slow.actor.isFenced, lost.actor.isFenced]).toEqual([true, true])
    await world.clock.settle()
    expect(world.said.at(-1)).toBe('unassign 0 1')
    expect(world.failures).toEqual([])
  })

  // Case 10, of the user's word too.
  test('takes a pause along: the partition comes back open, unless the user has paused it', async () => {
    const world = new World({ maxPartitionRecords: 2 })
    world.userPauses.pause('clicks', 1)
    await world.assign(0, 1)
    world.admit(0, 0, 1)
    world.take(0)
    expect(world.said).toEqual(['assign 0@earliest 1@earliest', 'pause 1', 'pause 0'])
    world.raise('revoke', [0, 1], true)
    await world.clock.settle()
    world.said.length = 0
    await world.assign(0, 1)
    expect(world.said).toEqual(['assign 0@earliest 1@earliest', 'pause 1'])
  })
})

describe('an assignment', () => {
  // Case 9.
  test('gives each partition one actor; one that is granted again gets a new one, and the old one is of no account', async () => {
    const world = new World()
    await world.assign(0, 1)
    world.admit(0, 0)
    const old = world.take(0)
    await world.assign(0)
    expect([...world.assignment.actors].map(({ partition }) => partition).sort()).toEqual([0, 1])
    expect([old.actor.isFenced, world.actor(0) === old.actor]).toEqual([true, false])
    expect(world.actor(0).epoch).toBeGreaterThan(old.actor.epoch)
    expect(world.credit.recordsInFlight).toBe(0)
  })

  // Case 33.
  test('of two partitions makes two lanes of a key that stands in both', async () => {
    const world = new World()
    await world.assign(0, 1)
    for (const partition of [0, 1]) world.admit(partition, 0)
    const stuck = world.take(0)
    world.finish(1)
    expect([inputOf(stuck.actor).tracker.safePosition, inputOf(world.actor(1)).tracker.safePosition]).toEqual([0, 1])
  })

  // Case 10: a cooperative round that changes nothing for us is an empty set.
  test('of nothing changes nothing: what is owned is worked on, what is paused is resumed in time', async () => {
    const world = new World({ maxPartitionRecords: 2 })
    await world.assign(0)
    world.admit(0, 0, 1)
    expect(world.said.at(-1)).toBe('pause 0')
    await world.assign()
    expect(world.said.at(-1)).toBe('assign')
    world.finish(0, 2)
    expect(world.said.at(-1)).toBe('resume 0')
  })

  // Cases 8 and 11: what the client had fetched is the next owner's, or ours from the start position on.
  test('takes no record before it was answered, nor of partitions that are not its own', async () => {
    const world = new World()
    world.holdQueries()
    await world.assign(0)
    world.admit(0, 0)
    world.admit(7, 0)
    await world.answerQueries()
    expect([world.said, world.credit.recordsInFlight]).toEqual([['assign 0@earliest'], 0])
    world.admit(0, 0)
    expect(world.take(0).offset).toBe(0)
  })

  // Case 7: what comes late from the old epoch neither marks nor blocks what is read again.
  test('after a revoke reads again what was unfinished, whatever the old epoch still says', async () => {
    const world = new World()
    await world.assign(0)
    world.admit(0, 0, 1, 2)
    const late = world.take(0)
    world.finish(0)
    world.raise('revoke', [0], true)
    await world.clock.settle()
    await world.assign(0)
    world.admit(0, 0, 1, 2)
    late.actor.settle(late.run, [{ type: 'skip' }])
    expect(inputOf(world.actor(0)).tracker.safePosition).toBe(0)
    world.finish(0, 3)
    expect(inputOf(world.actor(0)).tracker.safePosition).toBe(3)
  })

  // Case 6: the client does not own what it was not given, whatever the newer event is about.
  test('that is overtaken while the broker is asked leaves no actor behind', async () => {
    const world = new World()
    await world.assign(1)
    world.holdQueries()
    await world.assign(0)
    world.raise('revoke', [1])
    await world.answerQueries()
    expect(world.said).toEqual(['assign 1@earliest', 'assign 0@earliest (late)', 'unassign 1'])
    expect(world.assignment.size).toBe(0)
  })

  // Case 58.
  test('that comes while the member stops is answered with nothing', async () => {
    const world = new World()
    await world.assign(0)
    await world.assignment.handOverAll()
    await world.assign(1)
    expect(world.said.at(-1)).toBe('assign')
  })
})

describe('where it begins', () => {
  const at = (position: number, metadata = ''): StoredPosition => ({ ...place(0), position, metadata })

  // Case 24.
  test.each([
    { name: 'below the log', position: 5, log: { low: 10, high: 20 } },
    { name: 'beyond the log', position: 21, log: { low: 10, high: 20 } },
  ])('$name: by policy, and counted', async ({ log, position }) => {
    for (const outOfRange of ['earliest', 'latest'] as const) {
      const world = new World({ actor: { outOfRange } })
      world.committed.set(0, at(position))
      world.logs.set(0, log)
      await world.assign(0)
      expect(world.said).toEqual([`assign 0@${outOfRange}`])
      expect(world.stats.partition('enrich', 'clicks', 0).outOfRange).toBe(1)
    }
    const strict = new World({ actor: { outOfRange: 'fail' } })
    strict.committed.set(0, at(position))
    strict.logs.set(0, log)
    await strict.assign(0)
    expect(strict.failures).toMatchObject([{ code: 'OFFSET_OUT_OF_RANGE' }])
  })

  // Case 24: a map of the log that was is not one of the log that is.
  test('a position outside the log takes its completion map along', async () => {
    const world = new World({ actor: { outOfRange: 'earliest' } })
    const map = encodeCompletionMap({ position: 5, frontier: 15, unfinished: Float64Array.of(5, 6) })
    world.committed.set(0, at(5, map as string))
    world.logs.set(0, { low: 10, high: 20 })
    await world.assign(0)
    world.admit(0, 10, 11)
    expect(world.take(0).offset).toBe(10)
  })

  // T44. Retention has overtaken the position of the very same topic.
  test('a position below the log of the same topic: what is finished beyond stays finished', async () => {
    const world = new World({ actor: { outOfRange: 'earliest' } })
    world.topic = { id: 'clicks#1', partitions: 4 }
    const origin = encodeOrigin(originOf([], world.topic), 5)
    const map = encodeCompletionMap({ position: 5, frontier: 15, unfinished: Float64Array.of(5, 6, 11, 12) })
    world.committed.set(0, at(5, origin + (map as string)))
    world.logs.set(0, { low: 10, high: 20 })
    await world.assign(0)
    world.admit(0, 10, 11, 12, 15)
    expect([world.take(0).offset, world.take(0).offset]).toEqual([11, 15])
  })

  test.each([10, 15, 20])('within the log: at the committed position %i', async (position) => {
    const world = new World()
    world.committed.set(0, at(position))
    world.logs.set(0, { low: 10, high: 20 })
    await world.assign(0)
    expect(world.said).toEqual([`assign 0@${position}`])
  })

  // Cases 28 and 29: not one past it.
  test.each(['AgAAAZb8Uw==', 'T~1 damaged', '{"by":"hand"}'])(
    'metadata that is no map of ours (%s): at the committed position itself, or not at all',
    async (metadata) => {
      const world = new World()
      world.committed.set(0, at(7, metadata))
      await world.assign(0)
      expect(world.said).toEqual(['assign 0@7'])
      world.admit(0, 7, 8)
      expect([world.take(0).offset, world.take(0).offset]).toEqual([7, 8])
      expect(world.stats.partition('enrich', 'clicks', 0).foreignMetadata).toBe(1)
      const strict = new World({ foreignMetadata: 'fail' })
      strict.committed.set(0, at(7, metadata))
      await strict.assign(0)
      expect(strict.failures).toMatchObject([{ code: 'COMPLETION_MAP_UNREADABLE' }])
    },
  )

  // Case 31.
  test('a map of ours: what it shows as finished is not handled again', async () => {
    const world = new World()
    await world.assign(0)
    world.admit(0, 0, 1, 2, 3)
    const stuck = world.take(0)
    world.finish(0, 2)
    await world.revoke(0)
    await world.clock.advance(DRAIN_TIMEOUT_MS)
    expect(stuck.actor.isFenced).toBe(true)
    await world.assign(0)
    world.admit(0, 0, 1, 2, 3)
    expect([world.take(0).offset, world.take(0).offset]).toEqual([0, 3])
    expect(world.said).toContain('assign 0@0')
  })
})
