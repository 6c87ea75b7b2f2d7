import { expect, test } from 'vitest'
import type { AnyHandler } from '../../../src/actors/handlers/any-handler.ts'
import { manifestOf } from '../../../src/actors/handlers/handler-module.ts'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { defineDedup } from '../../../src/operators/dedup/dedup.ts'
import { defineJoin } from '../../../src/operators/join/join.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { table, topic } from '../../../src/streams/flows/flow.ts'
import { flowAsMermaid, flowAsText } from '../../../src/supervisor/status/flow-drawing.ts'
import { flowOf, type Flow } from '../../../src/supervisor/status/flow.ts'
import { planTopology } from '../../../src/supervisor/topology.ts'

const clicks = topic<{ id: string }>('clicks')
const uniqueClicks = topic<{ id: string }>('unique-clicks')
const orders = topic<{ id: string }>('orders')
const attributed = topic<string>('attributed')
const sums = table<{ id: string }>('sums', { columns: { id: 'text' }, key: ['id'], sink: 'db' })

const handlers = {
  store: defineHandler({ input: attributed, outputs: [sums], handle: () => done() }),
  attribute: defineJoin({
    ...{ left: orders, right: uniqueClicks, kind: 'left', within: { beforeMs: 60_000, afterMs: 0 }, graceMs: 1_000 },
    outputs: [attributed],
    result: ({ left }) => [attributed.record(left.id)],
  }),
  clean: defineDedup({ input: clicks, output: uniqueClicks, id: ({ id }) => id, withinMs: 60_000 }),
}

const sink = { maxBatch: 1, open: nothing, prepare: nothing, write: () => Promise.resolve([]), close: nothing }

function nothing(): Promise<void> {
  return Promise.resolve()
}

const app = resolveOptions({
  kafka: { brokers: ['a:1'], groupId: 'shop' },
  sinks: { db: sink },
  actors: [
    { name: 'store', handler: handlers.store, deadLetter: 'broken' },
    { name: 'attribute', handler: handlers.attribute },
    { name: 'clean', handler: handlers.clean },
  ],
})
const manifests = Object.entries(handlers).map(([name, handler]) => manifestOf(name, handler as AnyHandler))
const flow: Flow = flowOf(app, manifests)

test('actors of one app may feed each other through topics', () => {
  expect(planTopology(app, manifests).flow).toEqual(flow)
})

test('a flow begins with the actors that others read from, and has all that each reads, keeps and writes', () => {
  expect(flow.map(({ name }) => name)).toEqual(['clean', 'attribute', 'store'])
  expect(flow).toMatchObject([
    { what: 'dedup', reads: ['clicks'], keeps: ['seen'], changelog: 'shop-clean-changelog', writes: ['unique-clicks'] },
    { what: 'join', reads: ['orders', 'unique-clicks'], changelog: 'shop-attribute-changelog', writes: ['attributed'] },
    { what: 'handler', reads: ['attributed'], keeps: [], changelog: null, rows: ['db.sums'], deadLetters: 'broken' },
  ])
})

test('as text, an actor after the other', () => {
  expect(flowAsText(flow)).toContain(
    ['store (handler)', '  reads         attributed', '  rows          db.sums', '  dead letters  broken', ''].join(
      '\n',
    ),
  )
})

test('for Mermaid, each topic, actor, state and table once, whatever its name is', () => {
  const drawn = flowAsMermaid([
    ...flow,
    { name: 'a "b" <c>', what: 'handler', reads: ['broken'], keeps: [], changelog: null, ...nowhere },
  ])
  const lines = drawn.split('\n')
  const idOf = (label: string): string => {
    const found = lines.filter((line) => line.includes(`"${label}`))
    expect(found).toHaveLength(1)
    return /^ {2}(\w+)/.exec(found[0]!)![1]!
  }
  expect(lines[0]).toBe('flowchart LR')
  expect(lines).toContain(`  ${idOf('unique-clicks')} --> ${idOf('attribute<br>join')}`)
  expect(lines).toContain(`  ${idOf('clean<br>dedup')} --> ${idOf('unique-clicks')}`)
  expect(lines).toContain(`  ${idOf('clean<br>dedup')} <-.-> ${idOf('shop-clean-changelog<br>seen')}`)
  expect(lines).toContain(`  ${idOf('store<br>handler')} --> ${idOf('db.sums')}`)
  expect(lines).toContain(`  ${idOf('broken')} --> ${idOf('a #34;b#34; #60;c#62;<br>handler')}`)
})

const nowhere = { writes: [], rows: [], deadLetters: null }
