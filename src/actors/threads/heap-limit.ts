/** Whether a thread has the heap that `threads.maxHeapMb` says. V8's own flags go before it, without a word. */
import { getHeapStatistics } from 'node:v8'
import { resourceLimits } from 'node:worker_threads'
import { TroupeError } from '../../errors.ts'

const MIB = 1024 * 1024

/** What V8 says of a thread's heap, and the flags that it was started with. */
export interface HeapInForce {
  readonly limitMb: number
  /** What comes on top of what `maxHeapMb` limits: room for new objects. */
  readonly youngMb: number
  readonly flags: readonly string[]
}

const limitFlag = /^--max[-_](?:old[-_]space|heap)[-_]size(?:[-_]percentage)?(?==|$)/
const youngFlag = /^--max[-_]semi[-_]space[-_]size=(\d+)$/
/** The young generation has room for three of its semi-spaces. */
const SEMI_SPACES = 3

/** null: the limit is in force. */
export function liftedHeapLimit(maxHeapMb: number, { limitMb, youngMb, flags }: HeapInForce): TroupeError | null {
  const youngMbs = flags.map((flag) => SEMI_SPACES * Number(youngFlag.exec(flag)?.[1] ?? 0))
  const expectedMb = maxHeapMb + Math.max(youngMb, ...youngMbs)
  const flag = flags.map((each) => limitFlag.exec(each)?.[0]).findLast((name) => name !== undefined)
  // V8 rounds. Less than expected is no harm, unless it is a flag that says so: there may be less room for new objects.
  const leastMb = flag === undefined ? maxHeapMb : expectedMb
  if (limitMb > leastMb - 1 && limitMb < expectedMb + 1) return null
  return new TroupeError(
    'OPTIONS_INVALID',
    `threads.maxHeapMb is ${maxHeapMb} MiB, but the heap of a thread ends at ${Math.round(limitMb)} MiB: ` +
      `${flag ?? '--max-old-space-size, set while running,'} goes before it. Take that out of NODE_OPTIONS or Node's ` +
      'arguments, or set threads.maxHeapMb to null',
  )
}

/** Of the thread that asks. */
export function heapInForce(): HeapInForce {
  return {
    limitMb: getHeapStatistics().heap_size_limit / MIB,
    youngMb: resourceLimits.maxYoungGenerationSizeMb ?? 0,
    flags: [...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/), ...process.execArgv],
  }
}
