/** `troupe graph`: draws what an app's actors read, keep and write. Asks no server. */
import { Option, type Command } from 'commander'
import type { TryModule } from '../../actors/threads/trial.ts'
import { START_TIMEOUT_MS } from '../../actors/threads/thread-set.ts'
import { fromWireError } from '../../errors.ts'
import { flowAsMermaid, flowAsText } from '../status/flow-drawing.ts'
import { flowOf } from '../status/flow.ts'
import { addAppOptions, flagsByPath } from './app-flags.ts'
import { loadAppWithOptions } from './app-module.ts'
import { tryActors } from './check.ts'

export interface GraphCommandContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: (text: string) => void
  /** Where it loads handler modules. */
  readonly tryModule: TryModule
}

export function addGraphCommand(program: Command, { env, stdout: print, tryModule }: GraphCommandContext): void {
  addAppOptions(program.command('graph <module>'))
    .description("draw the app's flow: its topics, actors, what they keep, tables of sinks, and topics of Troupe's own")
    .addOption(new Option('--as <form>', 'how it is drawn').choices(['mermaid', 'text', 'json']).default('mermaid'))
    .action(async (module: string, flags: Record<string, unknown>) => {
      const { as: form, ...others } = flags
      const { options } = await loadAppWithOptions(module, flagsByPath(others), env)
      const trial = { tryModule, shared: null, startTimeoutMs: START_TIMEOUT_MS }
      const answers = await tryActors(options, trial)
      const errors = answers.flatMap((answer) => answer.errors.map(fromWireError))
      if (errors.length > 0) throw new AggregateError(errors)
      const flow = flowOf(
        options,
        answers.flatMap(({ manifest }) => manifest ?? []),
      )
      if (form === 'json') print(`${JSON.stringify(flow, null, 2)}\n`)
      else print(form === 'text' ? flowAsText(flow) : flowAsMermaid(flow))
    })
}
