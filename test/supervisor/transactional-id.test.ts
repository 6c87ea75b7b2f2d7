/** What a process is known by at the brokers, and what an app promises. */
import { describe, expect, test } from 'vitest'
import { resolveOptions } from '../../src/options/resolve.ts'
import { checkTimes, guaranteeOf } from '../../src/supervisor/guarantee.ts'
import { ownTransactionalId, transactionalIdOf } from '../../src/supervisor/transactional-id.ts'
import type { ResolvedApp } from '../../src/options/options.ts'

function app(names: { readonly transactionalId?: string; readonly groupInstanceId?: string }): ResolvedApp {
  const { groupInstanceId = null, transactionalId = null } = names
  const kafka = { groupId: 'shop', groupInstanceId, transactionalId }
  return { kafka, actors: [{ name: 'watch' }, { name: 'count' }] } as unknown as ResolvedApp
}

describe('the transactional id of a process', () => {
  test('is the same after its restart where it has a name, its own before that of the member', () => {
    expect(ownTransactionalId(app({ groupInstanceId: 'pod-0' }))).toBe('shop-watch+count-pod-0')
    expect(ownTransactionalId(app({ groupInstanceId: 'pod-0', transactionalId: 'a' }))).toBe('shop-watch+count-a')
  })

  test('is another at each start where it has none, since two live processes with one would fence each other', () => {
    expect(ownTransactionalId(app({}))).not.toBe(ownTransactionalId(app({})))
  })

  test('begins with the same words where troupe check asks for the right to it', () => {
    const asked = transactionalIdOf(app({}), '')
    expect(asked).toBe('shop-watch+count-')
    expect(ownTransactionalId(app({})).startsWith(asked)).toBe(true)
  })
})

describe('the guarantee of an app', () => {
  const stateless = { actor: 'count', states: [], timers: [], companions: [], latestTopics: [] }
  const spent = { name: 'spent', codec: 'json', ttlMs: null, maxBytes: 1 }
  const stateful = { ...stateless, actor: 'watch', states: [spent] }
  const latest = { ...stateless, actor: 'sum', latestTopics: ['sums', 'means'] }

  test('is at-least-once unless it is asked for, and exactly-once where one actor keeps state', () => {
    expect(guaranteeOf({ guarantee: null }, [stateless])).toBe('at-least-once')
    expect(guaranteeOf({ guarantee: 'exactly-once' }, [stateless])).toBe('exactly-once')
    expect(guaranteeOf({ guarantee: null }, [stateless, stateful])).toBe('exactly-once')
  })

  test('cannot be at-least-once where a handler keeps state', () => {
    const wrong = (): string => guaranteeOf({ guarantee: 'at-least-once' }, [stateless, stateful])
    expect(wrong).toThrow('the handler of watch keeps state')
  })

  test('cannot be at-least-once where an output is the latest of a checkpoint: there are none', () => {
    for (const guarantee of [null, 'at-least-once'] as const) {
      expect(() => guaranteeOf({ guarantee }, [stateless, latest])).toThrow(
        'latestPerCheckpoint (sums, means of sum) needs checkpoints',
      )
    }
    expect(guaranteeOf({ guarantee: 'exactly-once' }, [latest])).toBe('exactly-once')
    expect(guaranteeOf({ guarantee: null }, [latest, stateful])).toBe('exactly-once')
  })

  test('leaves time to end what is open before the member counts as gone, also where only a handler asks for it', () => {
    const app = resolveOptions({
      kafka: { brokers: 'kafka:9092', groupId: 'shop', maxPollIntervalMs: 40_000, sessionTimeoutMs: 30_000 },
      drainTimeoutMs: 30_000,
      actors: [{ name: 'watch', handler: new URL('file:///none.js') }],
    })
    expect(() => {
      checkTimes('exactly-once', app)
    }).toThrow(/drainTimeoutMs \(30000\) and transactionTimeoutMs \(15000\) together .*maxPollIntervalMs \(40000\)/)
    checkTimes('at-least-once', app)
    checkTimes('exactly-once', { ...app, drainTimeoutMs: 20_000 })
  })
})
