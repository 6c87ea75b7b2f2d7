/** What does Troupe add to the client it stands on, when the handler does next to nothing? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import { prefetch } from './harness/prefetch.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'

const raw = 'raw loop of the same client, consume(500)'
const goals: Readonly<Record<string, string>> = { 'Troupe, unordered': '≥ 0.90', 'Troupe, key order': '≥ 0.80' }

export const passThrough: Benchmark<{ records: number; partitions: number; keys: number; bytes: number }> = {
  name: 'pass-through',
  question:
    'A backlog, a handler on main that looks at a byte and skips: what is left of the speed of the bare client?',
  goal: 'of the raw loop of the same client: unordered ≥ 0.90, key order with 100,000 keys ≥ 0.80',
  defaults: { records: 1_000_000, partitions: 12, keys: 100_000, bytes: 100 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes } = settings
    const warmUp = Math.ceil(records / 10)
    const broker = await kafka()
    // More than is counted: nobody is measured while partitions run dry.
    const total = Math.ceil((records + warmUp) * 1.1)
    log(`filling a topic with ${total.toLocaleString('en')} records`)
    const topic = await broker.fill({ records: total, partitions, keys, valueBytes: bytes })
    const same = { topic, records, warmUp }
    const contenders: readonly Contender[] = [
      { name: raw, module: 'raw-loop.mjs', settings: { client: prefetch }, ...same },
      {
        name: 'Troupe, unordered',
        module: 'troupe-main.mjs',
        settings: { order: 'unordered' },
        isProfiled: true,
        ...same,
      },
      { name: 'Troupe, key order', module: 'troupe-main.mjs', settings: { order: 'key' }, isProfiled: true, ...same },
      { name: 'eachBatch of the same client', module: 'native-each-batch.mjs', ...same },
      { name: 'kafkajs eachBatch', module: 'kafkajs-each-batch.mjs', ...same },
      { name: 'kafkajs eachMessage', module: 'kafkajs-each-message.mjs', ...same },
      { name: '@platformatic/kafka', module: 'platformatic.mjs', ...same },
    ]
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(goals[name] === undefined ? {} : { goal: goals[name] }),
      cells: [
        cell(rounds.ratio(name, raw), 2),
        cell(
          rounds.paired([name, raw], (own, bare) => bare.cpuUs / own.cpuUs),
          2,
        ),
        ...costCells(rounds, name),
      ],
    }))
    const remarks = failureRemarks(rounds)
    return [
      { title: 'Records through', columns: ['ratio to raw loop', 'the same by CPU', ...costColumns], rows, remarks },
    ]
  },
}
