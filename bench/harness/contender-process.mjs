// The process of one contender: loads its module, which calls `meter.count()` for each record, and reports.
//
// A contender exports `run({ brokers, topic, group, settings, meter })`. It resolves when it is under way, or later;
// what it resolves with, if anything, is called to end it.
import { Meter } from './meter.mjs'

process.on('unhandledRejection', fail)
process.on('uncaughtException', fail)
// With all that it has started: it leads a group of its own.
process.once('disconnect', () => process.kill(-process.pid, 'SIGKILL'))
process.once('message', async ({ module, endsByItself, ...task }) => {
  const { run } = await import(module)
  const meter = new Meter(task)
  const under = Promise.resolve(run({ ...task, meter }))
  under.catch(fail)
  const measurement = await meter.finished
  process.send({ type: 'measured', measurement }, async () => {
    if (!endsByItself) return
    const end = await under
    await end?.()
    process.exit(0)
  })
})

function fail(error) {
  console.error(error)
  process.send?.({ type: 'failed', error: String(error?.message ?? error) })
}
