/** Programs of others as contenders: each in a process that knows nothing of us, its settings in its environment. */
import type { Contender } from '../harness/contender.ts'
import type { Rival, Rivals } from './rivals.ts'

export interface RivalRow {
  readonly rival: Rival
  readonly name: string
  /** Of the records: those that are slower have fewer. */
  readonly share: number
  readonly env: Readonly<Record<string, string>>
}

/** Of those that can run here. `part`: what a contender has of the records. */
export function contendersOf(
  rows: readonly RivalRow[],
  { commands }: Rivals,
  part: (share: number) => Pick<Contender, 'topic' | 'records' | 'warmUp'>,
): Contender[] {
  return rows.flatMap(({ rival, name, share, env }) => {
    const command = commands.get(rival)
    return command === undefined
      ? []
      : [{ name, module: 'state/rival.mjs', settings: { command, env }, ...part(share) }]
  })
}
