import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { ForkedInstance } from '../../../src/supervisor/instances/instance-process.ts'

/** A process that only says what is done to it. */
function makeChild(): { child: ChildProcess; killed: string[] } {
  const killed: string[] = []
  const child = Object.assign(new EventEmitter(), {
    pid: 1,
    connected: true,
    kill: (signal: string) => killed.push(signal),
    send: () => true,
  })
  return { child: child as unknown as ChildProcess, killed }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

// The native client's disconnect can keep a process from exiting, by whatever way.
test('one that has closed its channel and is still there ten seconds later is ended', async () => {
  const { child, killed } = makeChild()
  const instance = new ForkedInstance(child, systemClock)
  child.emit('disconnect')
  await vi.advanceTimersByTimeAsync(9_999)
  expect(killed).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(killed).toEqual(['SIGKILL'])
  child.emit('close', null, 'SIGKILL')
  expect(await instance.ended).toEqual({ code: null, signal: 'SIGKILL', error: null })
})

test('one that is gone after it closed its channel has ended by itself', async () => {
  const { child, killed } = makeChild()
  const instance = new ForkedInstance(child, systemClock)
  child.emit('disconnect')
  child.emit('close', 0, null)
  expect(await instance.ended).toEqual({ code: 0, signal: null, error: null })
  expect(vi.getTimerCount()).toBe(0)
  expect(killed).toEqual([])
})
