/** `npm start`: everything in one process. Plain words on stderr, the accounts on stdout. */
import { describeAccounts } from './report.ts'
import { run } from './run.ts'
import { listenForStop } from './signals.ts'
import { parseStartOptions } from './start-options.ts'

const options = parseStartOptions(process.argv)
const stop = listenForStop()
try {
  const { accounts, problems } = await run(options, stop.signal)
  if (accounts !== undefined) {
    process.stdout.write(options.json ? `${JSON.stringify(accounts)}\n` : describeAccounts(accounts, problems))
    if (options.json && problems.length > 0) process.stderr.write(`Not as it must be: ${problems.join('; ')}.\n`)
  }
  if (problems.length > 0) process.exitCode = 1
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  stop.release()
}
