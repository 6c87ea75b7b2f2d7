#!/usr/bin/env node
/**
 * `npm run simulate -- --minutes 10`: random worlds until the time is over, one process a core.
 * `npm run simulate -- --seed 4711 [--only topic/partition/offset]`: one world, and its story.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const forwarded = process.argv.slice(2)
const isOneWorld = forwarded.includes('--seed')
const jobs = isOneWorld ? 1 : availableParallelism()
const first = Date.now() % 2 ** 31

const codes = await Promise.all(
  Array.from({ length: jobs }, (_, at) => {
    const seeds = isOneWorld ? [] : ['--from', String(first + at), '--step', String(jobs)]
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/simulation/simulate.ts', ...seeds, ...forwarded], {
      cwd: root,
      stdio: 'inherit',
    })
    return new Promise((resolve) => child.once('close', resolve))
  }),
)
process.exit(codes.every((code) => code === 0) ? 0 : 1)
