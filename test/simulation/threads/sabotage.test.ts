/**
 * The simulation against pools that break what lanes and deaths of threads have to keep: each break has to
 * be found within some hundred worlds on threads, by the checker that knows the promise.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { PartitionActor } from '../../../src/actors/partition-actor.ts'
import { BatchGate } from '../../../src/actors/threads/batch-gate.ts'
import * as blame from '../../../src/actors/threads/blame.ts'
import * as threadLane from '../../../src/actors/threads/thread-lane.ts'
import { WorkerPool } from '../../../src/actors/threads/worker-pool.ts'
import { skipVerdict } from '../../../src/actors/handlers/verdict.ts'
import { breaks } from '../sabotage.ts'
import type { World } from '../world.ts'

vi.mock('../../../src/actors/threads/blame.ts', { spy: true })
vi.mock('../../../src/actors/threads/thread-lane.ts', { spy: true })

afterEach(() => {
  vi.restoreAllMocks()
})

const onThreads = ({ runOn }: World): boolean => runOn === 'threads'

test('a run that goes on after a record of it that failed', async () => {
  vi.mocked(threadLane.runLane).mockImplementation((runner, records, first, notes) => {
    const verdicts = records.map(({ attempt, record }, at) => {
      notes.beginRecord(first + at)
      const verdict = runner.run(record, attempt, notes, first + at)
      notes.endRecord(first + at)
      return verdict
    })
    const end = Promise.all(verdicts.map((verdict) => Promise.resolve(verdict))).then((all) => ({
      verdicts: all,
      elapsedMs: 0,
      promise: null,
    }))
    return end
  })
  expect(await breaks('handlingIsOrdered', {}, onThreads)).toBe(true)
})

test('the records of a run, taken by the thread from its end', async () => {
  const { runLane } = await vi.importActual<typeof threadLane>('../../../src/actors/threads/thread-lane.ts')
  vi.mocked(threadLane.runLane).mockImplementation((runner, records, ...rest) =>
    runLane(runner, [...records].reverse(), ...rest),
  )
  expect(await breaks('handlingIsOrdered', {}, onThreads)).toBe(true)
})

test('the outcome of a dead thread, counted though its records go again', async () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the pool it belongs to
  const { execute } = WorkerPool.prototype
  vi.spyOn(WorkerPool.prototype, 'execute').mockImplementation(function (this: WorkerPool, runs, settle) {
    execute.call(this, runs, (run, verdicts, nowMs) => {
      settle(run, verdicts, nowMs)
      if (verdicts.length === 0) settle(run, [skipVerdict], nowMs)
    })
  })
  expect(await breaks('nothingIsLost', {}, onThreads)).toBe(true)
})

test('a batch mate of a killer that does not go again', async () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the actor it belongs to
  const { settle } = PartitionActor.prototype
  vi.spyOn(PartitionActor.prototype, 'settle').mockImplementation(function (this: PartitionActor, run, verdicts) {
    settle.call(this, run, verdicts.length === 0 ? [skipVerdict] : verdicts)
  })
  expect(await breaks('commitsAreTrue', {}, onThreads)).toBe(true)
})

test('an innocent that is charged with the death of its thread', async () => {
  vi.mocked(blame.findCulprit).mockImplementation((lost) => {
    const runs = lost.flatMap((batch) => batch.runs)
    const culprit = runs.find(({ open }) => open !== null)?.open?.invocations[0] ?? null
    return { culprit, suspects: [] }
  })
  expect(await breaks('nothingIsLost', {}, onThreads)).toBe(true)
})

test('a suspect that is not alone on its thread', async () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the gate it belongs to
  const { enter } = BatchGate.prototype
  vi.spyOn(BatchGate.prototype, 'enter').mockImplementation(function (this: BatchGate) {
    return enter.call(this, false)
  })
  expect(await breaks('nothingIsLost', {}, onThreads)).toBe(true)
})
