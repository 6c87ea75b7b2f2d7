/**
 * What the engine relies on in a sink, as cases that any test runner can run. A sink that passes loses nothing, doubles
 * nothing and drops nothing for an outage, as far as it is up to the sink.
 */
import assert from 'node:assert/strict'
import { sleep, systemClock } from '../clock.ts'
import { isTroupeError } from '../errors.ts'
import type { WriteResult } from '../streams/broker-port.ts'
import type { EncodedRow, Sink, SinkDestination, SinkWrite } from '../streams/delivery/sink.ts'

/** One destination, empty, and what a case does with it. */
export interface SinkUnderTest<Output = EncodedRow> {
  /** A new sink on this destination, not open yet. Several are several processes. */
  sink(): Sink<Output>
  /** What a start prepares it for. */
  readonly destinations: readonly SinkDestination[]
  /** An output that puts this text under this key. */
  output(key: string, value: string): Output
  /** What somebody else finds there: the newest text of each key. */
  read(): Promise<Readonly<Record<string, string>>>
  /** Releases the destination; the sinks are closed by then. */
  end?(): Promise<void>
}

export interface SinkContractOptions<Output = EncodedRow> {
  /** Makes the destination, empty. Called once for each case. */
  open(): Promise<SinkUnderTest<Output>>
  /** An output that the destination refuses for good, whatever state it is in. Without it those cases are left out. */
  refused?(under: SinkUnderTest<Output>): Output
  /** Something that is not there. */
  readonly missing?: SinkDestination
  /** Takes the destination away, as an outage does; what it returns brings it back. */
  breakIt?(under: SinkUnderTest<Output>): Promise<() => Promise<void>>
}

export interface SinkCase {
  readonly name: string
  run(): Promise<void>
}

const context = { log: { info: () => undefined, warn: () => undefined } }

/** Text that a careless sink would change, split or take for something else. */
const odd = ['', 'NULL', 'null', ' a ', 'it\'s "q"', 'a\\b\\n', 'a\nb\r\nc', '{"a":[1]}', '🦊 é', '0', '1e5', 'true']

/**
 * The contract, case by case. Give each to your runner:
 *
 * @example
 * for (const { name, run } of sinkContract({ open, breakIt })) test(name, run)
 */
export function sinkContract<Output = EncodedRow>(options: SinkContractOptions<Output>): readonly SinkCase[] {
  const cases: SinkCase[] = []
  const add = (name: string, body: (stage: Stage<Output>) => Promise<void>): void => {
    cases.push({ name, run: () => onStage(options, body) })
  }
  const { breakIt, missing, refused } = options

  add('takes a whole number of outputs at a time, one at least', (stage) => {
    const { maxBatch } = stage.created()
    assert.ok(Number.isSafeInteger(maxBatch) && maxBatch >= 1, `its maxBatch is ${maxBatch}`)
    return Promise.resolve()
  })

  add('says of each output that it is durable, and then it is there', async (stage) => {
    const sink = await stage.opened()
    durable(
      await sink.write(
        stage.batch([
          ['a', '1'],
          ['b', '2'],
          ['c', '3'],
        ]),
      ),
      3,
    )
    assert.deepEqual(await stage.under.read(), { a: '1', b: '2', c: '3' })
  })

  add('keeps text as it is', async (stage) => {
    const sink = await stage.opened()
    const pairs = odd.map((value, at) => [`k${at}`, value] as const)
    await stage.writeAll(sink, pairs)
    assert.deepEqual(await stage.under.read(), Object.fromEntries(pairs))
  })

  add('keeps keys apart that look alike', async (stage) => {
    const sink = await stage.opened()
    const pairs = ['a', 'A', 'a/b', 'a b', 'a"b', 'ä', '00', '0'].map((key) => [key, `of ${key}`] as const)
    await stage.writeAll(sink, pairs)
    assert.deepEqual(await stage.under.read(), Object.fromEntries(pairs))
  })

  add('lets the last output of a key win, in a batch and from batch to batch', async (stage) => {
    const sink = await stage.opened()
    await stage.writeAll(sink, [
      ['a', '1'],
      ['b', '1'],
      ['a', '2'],
      ['a', '3'],
    ])
    assert.deepEqual(await stage.under.read(), { a: '3', b: '1' })
    await stage.writeAll(sink, [['b', '2']])
    assert.deepEqual(await stage.under.read(), { a: '3', b: '2' })
  })

  add('changes nothing when a batch is written again, by itself or by the next process', async (stage) => {
    const batch = stage.batch([
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ])
    const sink = await stage.opened()
    durable(await sink.write(batch), 3)
    durable(await sink.write(batch), 3)
    await sink.close()
    durable(await (await stage.opened()).write(batch), 3)
    assert.deepEqual(await stage.under.read(), { a: '3', b: '2' })
  })

  add('takes as many at a time as it says', async (stage) => {
    const sink = await stage.opened()
    const pairs = Array.from({ length: Math.min(sink.maxBatch, 5_000) }, (_, at) => [`k${at}`, `${at}`] as const)
    durable(await sink.write(stage.batch(pairs)), pairs.length)
    assert.deepEqual(await stage.under.read(), Object.fromEntries(pairs))
  })

  add('takes more at a time where they are of one record', async (stage) => {
    const sink = await stage.opened()
    const pairs = Array.from({ length: Math.min(sink.maxBatch, 5_000) + 1 }, (_, at) => [`k${at}`, `${at}`] as const)
    durable(await sink.write(stage.batch(pairs)), pairs.length)
    assert.equal(Object.keys(await stage.under.read()).length, pairs.length)
  })

  add('takes writes of two processes, and loses none', async (stage) => {
    const sinks = [await stage.opened(), await stage.opened()]
    const keys = Array.from({ length: 50 }, (_, at) => `k${at}`)
    await Promise.all(
      sinks.map(async (sink, process) => {
        const order = process === 0 ? keys : keys.toReversed()
        for (let round = 0; round < 3; round += 1) {
          await stage.writeAll(
            sink,
            order.map((key) => [key, `${process}`]),
          )
        }
      }),
    )
    assert.deepEqual(Object.keys(await stage.under.read()).sort(), keys.toSorted())
  })

  if (refused !== undefined) {
    add('refuses what it cannot take alone, with an error; the others of the batch stand', async (stage) => {
      const sink = await stage.opened()
      const [a, b, c, d] = stage.batch([
        ['a', '1'],
        ['b', '2'],
        ['c', '3'],
        ['a', '4'],
      ])
      const bad = { id: 'contract/0/1000/0', output: refused(stage.under) }
      const results = await sink.write([a!, bad, b!, c!, d!, { ...bad, id: 'contract/0/1001/0' }])
      assert.equal(results.length, 6, 'it has to answer for each output')
      assert.deepEqual(
        results.map((result) => result === null),
        [true, false, true, true, true, false],
        'the answers are not in the order of the outputs',
      )
      for (const result of results) {
        assert.ok(result === null || result instanceof Error, 'an output is refused by an Error')
        assert.notEqual(codeOf(result), 'SINK_UNAVAILABLE', 'what is unavailable is not refused: reject instead')
      }
      assert.deepEqual(await stage.under.read(), { a: '4', b: '2', c: '3' })
    })
  }

  if (missing !== undefined) {
    add('names at the start what is missing', async (stage) => {
      const sink = stage.created()
      await sink.open(context)
      const error = await rejectionOf(sink.prepare([...stage.under.destinations, missing]))
      assert.ok(isTroupeError(error), `a TroupeError is needed, and it is ${String(error)}`)
      assert.ok(error.message.includes(missing.table), `the message does not name ${missing.table}: ${error.message}`)
    })
  }

  if (breakIt !== undefined) {
    add(
      'rejects as unavailable while the destination is away, refuses nothing, and goes on when it is back',
      async (stage) => {
        const sink = await stage.opened()
        await stage.writeAll(sink, [['a', '1']])
        const batch = stage.batch([
          ['a', '2'],
          ['b', '2'],
        ])
        const mend = await breakIt(stage.under)
        try {
          for (const _ of ['first', 'second']) {
            assert.equal(codeOf(await rejectionOf(sink.write(batch))), 'SINK_UNAVAILABLE')
          }
        } finally {
          await mend()
        }
        await stage.untilWritten(sink, batch)
        assert.deepEqual(await stage.under.read(), { a: '2', b: '2' })
      },
    )

    add('does not open while the destination is away, says why, and opens when it is back', async (stage) => {
      const mend = await breakIt(stage.under)
      try {
        const sink = stage.created()
        const error = await rejectionOf(sink.open(context).then(() => sink.prepare(stage.under.destinations)))
        assert.ok(isTroupeError(error) && error.retryable, `a TroupeError that passes is needed: ${String(error)}`)
        await sink.close()
      } finally {
        await mend()
      }
      await stage.writeAll(await stage.opened(), [['a', '1']])
      assert.deepEqual(await stage.under.read(), { a: '1' })
    })
  }

  add('closes twice, and while a write is under way, which has its answer; then it is unavailable', async (stage) => {
    const sink = await stage.opened()
    const batch = stage.batch([
      ['a', '1'],
      ['b', '2'],
    ])
    const writing = sink.write(batch).then(
      (results) => results.every((result) => result === null),
      (error: unknown) => {
        assert.equal(codeOf(error), 'SINK_UNAVAILABLE')
        return false
      },
    )
    await Promise.all([sink.close(), sink.close()])
    if (await writing) assert.deepEqual(await stage.under.read(), { a: '1', b: '2' })
    assert.equal(codeOf(await rejectionOf(sink.write(batch))), 'SINK_UNAVAILABLE')
  })

  add('can be closed while it opens, and if it never was open', async (stage) => {
    await stage.created().close()
    const sink = stage.created()
    const opening = sink.open(context).catch(() => undefined)
    await sink.close()
    await opening
  })

  return cases
}

/** A destination with the sinks that a case has made. */
class Stage<Output> {
  readonly under: SinkUnderTest<Output>
  readonly #sinks: Sink<Output>[] = []
  #ids = 0

  constructor(under: SinkUnderTest<Output>) {
    this.under = under
  }

  created(): Sink<Output> {
    const sink = this.under.sink()
    this.#sinks.push(sink)
    return sink
  }

  async opened(): Promise<Sink<Output>> {
    const sink = this.created()
    await sink.open(context)
    await sink.prepare(this.under.destinations)
    return sink
  }

  batch(pairs: readonly (readonly [key: string, value: string])[]): SinkWrite<Output>[] {
    return pairs.map(([key, value]) => {
      this.#ids += 1
      return { id: `contract/0/${this.#ids}/0`, output: this.under.output(key, value) }
    })
  }

  /** In batches that the sink takes. */
  async writeAll(sink: Sink<Output>, pairs: readonly (readonly [key: string, value: string])[]): Promise<void> {
    const batch = this.batch(pairs)
    for (let from = 0; from < batch.length; from += sink.maxBatch) {
      const part = batch.slice(from, from + sink.maxBatch)
      durable(await sink.write(part), part.length)
    }
  }

  /** As the engine does after an outage: again, until it is taken. */
  async untilWritten(sink: Sink<Output>, batch: readonly SinkWrite<Output>[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        durable(await sink.write(batch), batch.length)
        return
      } catch (error) {
        if (codeOf(error) !== 'SINK_UNAVAILABLE' || attempt === MAX_ATTEMPTS) throw error
        await sleep(systemClock, ATTEMPT_EVERY_MS)
      }
    }
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#sinks.map((sink) => sink.close()))
    await this.under.end?.()
  }
}

const MAX_ATTEMPTS = 300
const ATTEMPT_EVERY_MS = 100

async function onStage<Output>(
  options: SinkContractOptions<Output>,
  body: (stage: Stage<Output>) => Promise<void>,
): Promise<void> {
  const stage = new Stage(await options.open())
  try {
    await body(stage)
  } finally {
    await stage.end()
  }
}

function durable(results: readonly WriteResult[], count: number): void {
  assert.equal(results.length, count, 'it has to answer for each output')
  for (const result of results) if (result !== null) throw result
}

async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  let result: unknown
  try {
    result = await promise
  } catch (error) {
    return error
  }
  return assert.fail(`it did not reject, and came to ${JSON.stringify(result)}`)
}

function codeOf(error: unknown): string | undefined {
  return isTroupeError(error) ? error.code : undefined
}
