/** `troupe state`: what an operator asks of the state of an actor, of a running process over its HTTP port. */
import { Option, type Command } from 'commander'
import type { RestoreDescription } from '../../metrics/restore-stats.ts'
import type { GroupStateReport } from '../instances/merged-state.ts'
import { seconds } from '../status/wording.ts'
import type { ParkedCommandsContext } from './parked-commands.ts'
import { ask, tokenOf, tokenOption, urlOption } from './process-client.ts'

interface Flags {
  readonly url: string
  readonly token?: string
  readonly key?: string
  readonly keyHex?: string
  readonly keyBase64?: string
  readonly list?: string
  readonly name?: string
  readonly partition?: string
}

const oneKey = ['keyHex', 'keyBase64', 'list']

export function addStateCommand(program: Command, { env, stdout: print }: ParkedCommandsContext): void {
  program
    .command('state')
    .description("show the state of an actor of a running process: sizes and restores, one key's, or a list")
    .argument('<actor>', 'name of the actor')
    .addOption(new Option('--key <text>', 'what is kept for this key').conflicts(oneKey))
    .addOption(
      new Option('--key-hex <bytes>', 'the same, its bytes in hexadecimal').conflicts(['key', ...oneKey.slice(1)]),
    )
    .addOption(new Option('--key-base64 <bytes>', 'the same, in base64').conflicts(['key', 'keyHex', 'list']))
    .addOption(new Option('--list <limit>', 'so many entries, whichever come first'))
    .addOption(new Option('--name <state>', 'of this state only'))
    .addOption(new Option('--partition <partition>', 'of this partition only'))
    .addOption(urlOption())
    .addOption(tokenOption())
    .action(async (actor: string, { key, keyBase64, keyHex, list, name, partition, token, url }: Flags) => {
      const asked = { key, keyHex, keyBase64, limit: list, name, partition }
      const query = new URLSearchParams()
      for (const [field, value] of Object.entries(asked)) if (value !== undefined) query.append(field, value)
      const path = `state/${encodeURIComponent(actor)}?${query.toString()}`
      const report = (await ask({ base: url, path, ...tokenOf(token, env) })) as GroupStateReport
      print(describe(report, list !== undefined))
    })
}

function describe(report: GroupStateReport, isList: boolean): string {
  const { actor, entries, hasMore, keyPartition, partitionCount, partitions, store } = report
  if (keyPartition !== null || isList) {
    const lines = entries.map(
      ({ key, keyIs, partition, setAtMs, state, value, valueIs }) =>
        `partition ${partition}, ${state}, key ${keyIs === 'hex' ? `0x${key}` : JSON.stringify(key)}: ${
          valueIs === 'base64' ? `base64 ${String(value)}` : JSON.stringify(value)
        }${setAtMs === null ? '' : ` (set at ${new Date(setAtMs).toISOString()})`}\n`,
    )
    if (keyPartition !== null && entries.length === 0) {
      const { isHere, partition } = keyPartition
      const whose = isHere ? 'is here' : 'is of another process'
      const restoring = partitions.some((each) => each.partition === partition && !each.isRestored)
      const yet = restoring ? ', and not restored yet' : ''
      lines.push(`nothing is kept here for this key; murmur2 puts it in partition ${partition}, which ${whose}${yet}\n`)
    }
    if (isList && entries.length === 0 && !hasMore) lines.push('nothing is kept here\n')
    if (hasMore) lines.push('… there is more\n')
    return lines.join('')
  }
  const title = `actor ${actor}, store ${store}: ${partitions.length} of ${partitionCount} partitions are here\n`
  return title + partitions.map(describePartition).join('')
}

function describePartition({
  bytes,
  checkpoint,
  instance,
  keys,
  partition,
  restore,
}: GroupStateReport['partitions'][number]): string {
  const where = `  partition ${partition} (instance ${instance}): `
  if (restore !== null) return `${where}restoring, ${describeRestore(restore)}\n`
  return `${where}${keys ?? 0} entries, ${bytes ?? 0} bytes, checkpoint ${checkpoint ?? 'none'}\n`
}

function describeRestore({ leftMs, offsetsLeft, records, recordsPerSecond, trouble }: RestoreDescription): string {
  const rate = recordsPerSecond === null ? '' : ` (${recordsPerSecond}/s)`
  const left = leftMs === null ? '' : `, about ${seconds(leftMs)} to go`
  const offsets = offsetsLeft === null ? '' : `, ${offsetsLeft} offsets left`
  return `${records} records read${rate}${offsets}${left}${trouble === null ? '' : `: ${trouble}`}`
}
