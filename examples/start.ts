/** `npm start`: a pipeline with all it needs, in one process. Plain words on stderr, the accounts on stdout. */
import { describeAccounts, type RunResult } from './pipeline/report.ts'
import { listenForStop } from './pipeline/signals.ts'
import { parseStartOptions, type PipelineName, type StartOptions } from './pipeline/start-options.ts'

interface Pipeline {
  readonly run: (options: StartOptions, stop: AbortSignal) => Promise<RunResult>
}

/** Only the one that is wanted is loaded. */
const pipelines: Readonly<Record<PipelineName, () => Promise<Pipeline>>> = {
  clicks: () => import('./clicks/run.ts'),
  sensors: () => import('./sensors/run.ts'),
  events: () => import('./events/run.ts'),
  sales: () => import('./sales/run.ts'),
  fraud: () => import('./fraud/run.ts'),
}

const options = parseStartOptions(process.argv)
const stop = listenForStop()
try {
  const { run } = await pipelines[options.pipeline]()
  const result = await run(options, stop.signal)
  const { accounts, problems } = result
  if (accounts !== undefined) {
    process.stdout.write(options.json ? `${JSON.stringify(accounts)}\n` : describeAccounts(result))
    if (options.json && problems.length > 0) process.stderr.write(`Not as it must be: ${problems.join('; ')}.\n`)
  }
  if (problems.length > 0) process.exitCode = 1
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  stop.release()
}
