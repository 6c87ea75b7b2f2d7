// What the contenders share that are measured by the time from when a record was to be sent to when its work is done.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const generator = fileURLToPath(new URL('latency-generator.mjs', import.meta.url))
const bytesOfTime = 8

/** Milliseconds of a clock that all processes of this machine share. */
export const nowMs = () => Number(process.hrtime.bigint()) / 1e6

/** When it was to be sent, and its number. */
export function stamp(value, atMs, number) {
  value.writeDoubleLE(atMs, 0)
  value.writeUInt32LE(number, bytesOfTime)
}

export function readStamp(value) {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return { atMs: view.getFloat64(0, true), number: view.getUint32(bytesOfTime, true) }
}

/** Takes the time of each record after the warm-up. `end` is called for each, and counts it. */
export function watchLatencies({ meter, settings }) {
  const taken = new Float64Array(settings.records)
  let count = 0
  meter.noteAtEnd(() => {
    const sorted = taken.subarray(0, count).sort()
    const quantile = (share) => sorted[Math.min(count - 1, Math.floor(share * count))]
    return { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), greatest: sorted[count - 1] }
  })
  return {
    end(atMs, number) {
      if (number >= settings.warmUp && count < taken.length) taken[count++] = nowMs() - atMs
      meter.count()
    },
  }
}

/** Begins to send, from a process of its own. */
export function startGenerator({ brokers, topic, settings }) {
  const child = fork(generator, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  child.send({ brokers, topic, ...settings })
  return () => child.kill('SIGKILL')
}
