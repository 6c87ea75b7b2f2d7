// One bare loop of the native client, the work done in it.
import { run as runRawLoop } from './raw-loop.mjs'
import { latePercent, makeHandler, makeShared } from './work.mjs'

export async function run({ settings, meter, ...task }) {
  const shared = makeShared(settings.keys, meter.shared)
  const handle = makeHandler({ work: settings.work, shared })
  meter.noteAtEnd(() => ({ latePercent: latePercent(shared) }))
  await runRawLoop({ ...task, settings: {}, meter, handle })
}
