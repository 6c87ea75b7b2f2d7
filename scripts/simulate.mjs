#!/usr/bin/env node
/**
 * `npm run simulate -- --minutes 10`: random worlds until the time is over, one process a core.
 * `npm run simulate -- --worlds 100000 --seed 1`: so many, from this seed on.
 * `npm run simulate -- --seed 4711 [--only topic/partition/offset]`: one world, and its story.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const forwarded = process.argv.slice(2)
const asked = parseArgs({
  args: forwarded,
  strict: false,
  options: { seed: { type: 'string' }, worlds: { type: 'string' } },
}).values
const isOneWorld = asked.seed !== undefined && asked.worlds === undefined
const jobs = isOneWorld ? 1 : availableParallelism()
const first = isOneWorld || asked.seed === undefined ? Date.now() % 2 ** 31 : Number(asked.seed)

const codes = await Promise.all(
  Array.from({ length: jobs }, (_, at) => {
    const seeds = isOneWorld ? [] : ['--from', String(first + at), '--step', String(jobs)]
    const share = asked.worlds === undefined ? [] : ['--worlds', String(Math.ceil((Number(asked.worlds) - at) / jobs))]
    const options = [...seeds, ...forwarded, ...share]
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/simulation/simulate.ts', ...options], {
      cwd: root,
      stdio: 'inherit',
    })
    return new Promise((resolve) => child.once('close', resolve))
  }),
)
process.exit(codes.every((code) => code === 0) ? 0 : 1)
