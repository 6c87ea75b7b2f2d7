#!/usr/bin/env node
/**
 * `npm run check`: everything that can be said about the code without running it, in the order in
 * which people fix it. All steps run, whatever fails before them. `npm run check -- lint types`
 * runs only these.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const steps = [
  { name: 'set-up', commands: ['node scripts/setup.mjs'] },
  { name: 'format', commands: ['prettier --check .'], hint: 'npm run format' },
  { name: 'lint', commands: ['eslint . --max-warnings 0'] },
  // After the build: tests and examples import `troupe` by name, and find its types in dist/.
  { name: 'types', commands: ['tsc --noEmit'] },
  {
    name: 'imports',
    commands: [
      'depcruise --config .dependency-cruiser.cjs src',
      'depcruise --config .dependency-cruiser-runtime.cjs dist',
    ],
  },
  {
    name: 'schemas',
    commands: [
      'tsx src/supervisor/cli/cli.ts schemas generate schemas test/schemas/fixtures --check',
      'tsx src/supervisor/cli/cli.ts schemas check schemas',
    ],
    hint: 'npx tsx src/supervisor/cli/cli.ts schemas generate schemas test/schemas/fixtures',
  },
  { name: 'unused', commands: ['knip'] },
  { name: 'exports', commands: ['publint --strict', 'attw --pack . --profile esm-only'] },
  { name: 'stranger', commands: ['node scripts/stranger.mjs'] },
]

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !steps.some((step) => step.name === name))
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(', ')}. There are: ${steps.map((step) => step.name).join(', ')}`)
  process.exit(2)
}

const failed = steps.filter((step) => asked.length === 0 || asked.includes(step.name)).filter((step) => !passes(step))
if (failed.length > 0) console.log(`\nFAILED: ${failed.map((step) => step.name).join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)

function passes({ name, commands, hint }) {
  const startedAt = Date.now()
  process.stdout.write(`${name.padEnd(10)}`)
  const broken = commands.map(runQuietly).filter((result) => result.status !== 0)
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
  console.log(`${broken.length === 0 ? 'ok' : 'FAILED'}  ${seconds} s`)
  for (const { command, status, output } of broken) {
    console.log(`\n> ${command}   (exit ${status})\n${output.trim()}\n`)
  }
  if (broken.length > 0 && hint !== undefined) console.log(`To repair: ${hint}\n`)
  return broken.length === 0
}

function runQuietly(command) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, {
    cwd: root,
    shell: true,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${root}node_modules/.bin:${process.env.PATH}` },
  })
  return { command, status: status ?? signal, output: `${stdout}${stderr}${error ?? ''}` }
}
