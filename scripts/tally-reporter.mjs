/** A vitest reporter that counts: every test case, and as a failure each thing that broke outside of one. */
import { writeFileSync } from 'node:fs'

export default class TallyReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const tally = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) tally[outcomeOf(test)]++
      // A file that does not load, a beforeAll that throws: there is no test case to blame.
      for (const part of [module, ...module.children.allSuites()]) if (part.errors().length > 0) tally.failed++
    }
    writeFileSync(process.env.TROUPE_TEST_TALLY, JSON.stringify(tally))
  }
}

function outcomeOf(test) {
  const { state } = test.result()
  // Still pending at the end: its process died.
  return state === 'pending' ? 'failed' : state
}
