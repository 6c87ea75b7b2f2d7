// What the contenders share that are measured by the time from when a record was to be sent to when its work is done.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const generator = fileURLToPath(new URL('latency-generator.mjs', import.meta.url))

/** Milliseconds of a clock that all processes of this machine share. */
export const nowMs = () => Number(process.hrtime.bigint()) / 1e6

/** When it was to be sent, its number, and how much later it was sent. */
export function stamp(value, { atMs, number, sentLateMs }) {
  value.writeDoubleLE(atMs, 0)
  value.writeUInt32LE(number, 8)
  value.writeDoubleLE(sentLateMs, 12)
}

export function readStamp(value) {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return { atMs: view.getFloat64(0, true), number: view.getUint32(8, true), sentLateMs: view.getFloat64(12, true) }
}

/** Takes the times of each record after the warm-up. `end` is called for each, and counts it. */
export function watchLatencies({ meter, settings }) {
  const taken = new Float64Array(settings.records)
  const sentLate = new Float64Array(settings.records)
  let count = 0
  const quantileOf = (times, share) => times[Math.min(count - 1, Math.floor(share * count))]
  meter.noteAtEnd(() => {
    const times = taken.subarray(0, count).sort()
    return {
      p50: quantileOf(times, 0.5),
      p95: quantileOf(times, 0.95),
      p99: quantileOf(times, 0.99),
      greatest: times[count - 1],
      sentLateP95: quantileOf(sentLate.subarray(0, count).sort(), 0.95),
    }
  })
  return {
    end({ atMs, number, sentLateMs }) {
      if (number >= settings.warmUp && count < taken.length) {
        taken[count] = nowMs() - atMs
        sentLate[count] = sentLateMs
        count += 1
      }
      meter.count()
    },
  }
}

/** Begins to send, from a process of its own. */
export function startGenerator({ brokers, topic, settings }) {
  const child = fork(generator, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  const failIfEnded = (code) => {
    throw new Error(`the generator ended with ${code}`)
  }
  child.once('exit', failIfEnded)
  child.send({ brokers, topic, ...settings })
  return () => {
    child.off('exit', failIfEnded)
    child.kill('SIGKILL')
  }
}
