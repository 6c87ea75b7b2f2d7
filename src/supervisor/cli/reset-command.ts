/** `troupe reset`: forgets what an app's group has done. Without `--yes` it only says what that would be. */
import type { Command } from 'commander'
import { systemClock } from '../../clock.ts'
import { silentLog } from '../../log.ts'
import { OpenWaits } from '../../metrics/open-waits.ts'
import type { ResolvedApp } from '../../options/options.ts'
import { planReset, reset, type LocalStores } from '../../state/reset.ts'
import type { Broker } from '../../streams/broker.ts'
import { brokerFor } from '../kafka.ts'
import { addAppOptions, flagsByPath } from './app-flags.ts'
import { loadAppWithOptions } from './app-module.ts'

export interface ResetCommandContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: (text: string) => void
  /** Where it asks: the brokers of the app, unless given. */
  readonly openBroker?: (app: ResolvedApp) => Promise<Pick<Broker, 'admin'>>
}

export function addResetCommand(program: Command, context: ResetCommandContext): void {
  addAppOptions(program.command('reset <module>'))
    .description("forget the group's positions and the state of the app's actors: its input is then read again")
    .option('--yes', 'do it; without this, only list what would be forgotten')
    .action(async (module: string, flags: Record<string, unknown>) => {
      const { options } = await loadAppWithOptions(module, flagsByPath(flags), context.env)
      await resetApp(options, flags['yes'] === true, context)
    })
}

async function resetApp(
  options: ResolvedApp,
  isMeant: boolean,
  { openBroker = openOwn, stdout: print }: ResetCommandContext,
): Promise<void> {
  const admin = (await openBroker(options)).admin()
  await admin.connect()
  try {
    const actors = options.actors.map(({ name }) => name)
    const plan = await planReset(admin, options.kafka.groupId, actors)
    const local = await findLocalStores(options)
    if (isMeant) await reset(admin, plan, local)
    const lines = [
      `positions of group ${plan.groupId}`,
      ...plan.topics.map((topic) => `topic ${topic}`),
      ...local.paths.map((path) => `state on disk in ${path}`),
    ]
    const members = plan.members.length === 0 ? '' : `not before its ${plan.members.length} live members have stopped; `
    const title = isMeant ? 'forgotten' : `to be forgotten (${members}--yes does it)`
    print(`${title}:\n${lines.map((line) => `  ${line}\n`).join('')}`)
  } finally {
    await admin.disconnect()
  }
}

async function findLocalStores({ instances, state: { directory } }: ResolvedApp): Promise<LocalStores> {
  if (directory === null) return noStores
  // Only here, since the package behind it is optional.
  const { LeftDirectories } = await import('../../state/stores/disk/left-directories.ts')
  return LeftDirectories.find(directory, instances)
}

const done = (): Promise<void> => Promise.resolve()
const noStores: LocalStores = { paths: [], take: done, remove: done, release: done }

function openOwn(app: ResolvedApp): Promise<Broker> {
  return brokerFor(app, silentLog, new OpenWaits(systemClock))
}
