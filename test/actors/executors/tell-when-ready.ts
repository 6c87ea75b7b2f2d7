/** Actors of the fixture tell only the test that they have something ready; this tells the dispatcher. */
import type { Dispatcher } from '../../../src/actors/executors/dispatcher.ts'
import type { Executor } from '../../../src/actors/executors/executor.ts'

export function tellWhenReady(executor: Executor, dispatcher: Dispatcher): void {
  const execute = executor.execute.bind(executor)
  executor.execute = (batch, settle) => {
    execute(batch, (run, verdicts) => {
      settle(run, verdicts)
      dispatcher.enlist(run.actor)
      dispatcher.pump()
    })
  }
}
