#!/usr/bin/env node
/**
 * `npm test`: set-up, then every suite except chaos. What follows `--` goes to vitest:
 * `npm test -- test/streams`, `npm test -- --project unit`.
 *
 * The last line of stdout is always `N passed, N failed, N skipped`, over all test cases.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findWhatIsMissing } from './kafka-cluster.mjs'
import { findMissingForPython } from './python-peer.mjs'
import { findMissingForRegistry } from './schema-registry.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const forwarded = process.argv.slice(2)

// In a process of its own: when it ends with an error, there is still a tally to print.
const setUp = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], { stdio: 'inherit' })
if (setUp.status !== 0) finish({ passed: 0, failed: 1, skipped: 0 })

const noKafka = process.env.TEST_KAFKA_BROKERS ? undefined : findWhatIsMissing()
const noRegistry = findMissingForRegistry()
const noPython = findMissingForPython()
const isEverything = forwarded.length === 0
const missing = noKafka ?? noRegistry
if (isEverything && missing !== undefined && process.env.REQUIRE_KAFKA === '1') {
  console.error(`REQUIRE_KAFKA=1, but the suites on real Kafka and a real schema registry cannot run. ${missing}`)
  finish({ passed: 0, failed: 1, skipped: 0 })
}

const tally = await runVitest()
if (isEverything && noKafka !== undefined) console.log(`\nSKIPPED: the suites on real Kafka. ${noKafka}\n`)
if (isEverything && noRegistry !== undefined)
  console.log(`\nSKIPPED: the suites on a real schema registry. ${noRegistry}\n`)
if (isEverything && noPython !== undefined)
  console.log(`\nSKIPPED: the suites with Python's serializers. ${noPython}\n`)
finish(tally)

async function runVitest() {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-test-'))
  const file = join(folder, 'tally.json')
  const projects = forwarded.some((argument) => argument.startsWith('--project')) ? [] : ['--project=!chaos']
  const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts/tally-reporter.mjs')}`]
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', ...projects, ...reporters, ...forwarded], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TROUPE_TEST_TALLY: file },
  })
  // Ctrl-C reaches vitest by itself; it ends its own children, and this process waits for that.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const code = await new Promise((resolve) => child.once('close', resolve))
  const tally = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { passed: 0, failed: 0, skipped: 0 }
  rmSync(folder, { recursive: true })
  // It failed, and not because of a test: no file matched, a global set-up threw, it was killed.
  if (code !== 0 && tally.failed === 0) tally.failed = 1
  return tally
}

function finish({ passed, failed, skipped }) {
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exit(failed === 0 && passed > 0 ? 0 : 1)
}
