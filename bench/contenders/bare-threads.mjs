// The work and nothing else, in as many threads at once: what the cores give.
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { makeWork } from './work.mjs'

export async function run({ settings, meter }) {
  meter.watch()
  const data = { work: settings.work, counted: meter.shared }
  for (let thread = 0; thread < settings.threads; thread += 1) {
    new Worker(new URL(import.meta.url), { workerData: data }).once('error', (error) => {
      throw error
    })
  }
}

if (!isMainThread) {
  const { work, counted } = workerData
  const workOn = makeWork(work)
  const value = Buffer.alloc(100, 'v')
  let sum = 0
  while (sum < Infinity) {
    sum ^= workOn(value)
    value[4] = sum
    Atomics.add(counted, 0, 1)
  }
}
