/** What does a record cost on main when each is of a checkpoint: handler, state, outputs, the store, and what a transaction is given? */
import { defineHandler, done, skip, type AnyRecordHandler } from '../../src/actors/handlers/handler.ts'
import { state } from '../../src/state/declared-state.ts'
import { bytes, json } from '../../src/streams/flows/codec.ts'
import { topic, type Topic } from '../../src/streams/flows/flow.ts'
import type { Benchmark } from '../harness/benchmark.ts'
import { cell } from '../harness/report.ts'
import { spreadOf } from '../harness/rounds.ts'
import { measurePath } from './checkpoint-path.ts'

const value = Buffer.alloc(100, 'v')
const input = topic('in', { value: bytes })
const each = topic('out', { value: json<number>() })
const last = topic('last', { value: json<number>(), latestPerCheckpoint: true })

/** A count of each key, and what is made of it. */
const count = { total: state<number>({ initial: () => 0 }) }
const handlers: Readonly<Record<string, unknown>> = {
  'no state, no output': defineHandler({ input, handle: () => skip() }),
  'no state, an output a record': defineHandler({
    input,
    outputs: [each],
    handle: (_, { record }) => done([each.record(1, { key: record.key })]),
  }),
  'state, no output': defineHandler({
    input,
    state: count,
    handle(_, { state: { total } }) {
      total.set(total.get() + 1)
      return skip()
    },
  }),
  'state, an output a record': counting(each),
  'state, an output a key and checkpoint': counting(last),
}

function counting(output: Topic<number>) {
  return defineHandler({
    input,
    outputs: [output],
    state: count,
    handle(_, { record, state: { total } }) {
      const next = total.get() + 1
      total.set(next)
      return done([output.record(next, { key: record.key })])
    },
  })
}

export const statePath: Benchmark<{ readonly records: number; readonly keys: number }> = {
  name: 'state-path',
  question:
    'What does a record cost on main, without a broker, as part of a checkpoint: with and without state and outputs?',
  goal: 'none of its own: what the client takes besides is some 8 µs a record',
  defaults: { records: 600_000, keys: 10_000 },
  async run({ rounds, settings: { records, keys } }) {
    const all = Object.entries(handlers) as [string, AnyRecordHandler][]
    const costs = new Map<string, number[]>(all.map(([name]) => [name, []]))
    const path = { records, keys, value: () => value, fromMs: 0, perMinute: Infinity }
    const measure = (handler: AnyRecordHandler) => measurePath(handler, path, [last.name])
    for (const [, handler] of all) await measure(handler)
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, handler] of all) costs.get(name)!.push(await measure(handler))
    }
    const rows = all.map(([name]) => ({ name, cells: [cell(spreadOf(costs.get(name)!), 2)] }))
    return [{ title: `Of a checkpoint, ${keys.toLocaleString('en')} keys`, columns: ['CPU µs/record'], rows }]
  },
}
