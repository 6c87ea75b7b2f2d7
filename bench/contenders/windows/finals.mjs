// Compares what a contender has written with a plain computation, in a process of its own.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { outputOf } from '../state/written.mjs'

const program = fileURLToPath(new URL('../../windows/finals.ts', import.meta.url))

/** What it found, as figures of the contender's own. Rejects where finals are wrong, twice or missing. */
export async function checkFinals({ brokers, group, settings: { data, sizeMs } }) {
  const task = { brokers, output: outputOf(group), data, sizeMs }
  const args = ['--import', 'tsx', program, JSON.stringify(task)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '' } })
  const found = JSON.parse(stdout)
  const { wrong, twice, missing, outOfOrder } = found
  if (wrong + twice + missing + outOfOrder > 0) throw new Error(`its finals are not right: ${stdout.trim()}`)
  return found
}
