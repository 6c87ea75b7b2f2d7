// Compares what a contender has written with a plain computation, in a process of its own.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { outputOf } from '../state/written.mjs'

/** What it found, as figures of the contender's own. Rejects where a final is wrong, repeated, missing or out of order. */
export const checkFinals = (task) => check('finals', task)

/** The same of the pairs of a join. */
export const checkPairs = (task) => check('pairs', task)

/** The same of Yahoo's views of campaigns. */
export const checkYahoo = (task) => check('yahoo-check', task)

async function check(what, { brokers, group, settings }) {
  const program = fileURLToPath(new URL(`../../windows/${what}.ts`, import.meta.url))
  const args = ['--import', 'tsx', program, JSON.stringify({ ...settings.check, brokers, output: outputOf(group) })]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const found = JSON.parse(stdout)
  const { wrong, twice, missing, outOfOrder = 0 } = found
  if (wrong + twice + missing + outOfOrder > 0) throw new Error(`its ${what} are not right: ${stdout.trim()}`)
  return found
}
