/** The state of an actor over all processes of its app: a partition is in one of them, and each says which. */
import { TroupeError, isTroupeError } from '../../errors.ts'
import type { StateQuestion } from '../../state/state-question.ts'
import type { ReportedEntry, ReportedPartition, StateReport } from '../../state/state-report.ts'
import type { AskedGroup } from './merged-answers.ts'

type InInstance<Told> = Told & { readonly instance: number }

export interface GroupStateReport extends Omit<StateReport, 'partitions' | 'entries'> {
  readonly partitions: readonly InInstance<ReportedPartition>[]
  readonly entries: readonly InInstance<ReportedEntry>[]
}

/** Rejects with NO_STATE, and with PROCESS_UNREACHABLE when one does not answer: what it has would be missing. */
export async function mergeState(group: AskedGroup, question: StateQuestion): Promise<GroupStateReport> {
  const answers = await Promise.all(
    group.all.map(async ({ number, process, state }) => {
      if (process === null || state !== 'running') return []
      try {
        return [{ instance: number, report: await process.report(question) }]
      } catch (error) {
        if (isTroupeError(error) && error.code !== 'PROCESS_UNREACHABLE') throw error
        throw new TroupeError('PROCESS_UNREACHABLE', `instance ${number} does not answer`, { cause: error })
      }
    }),
  )
  const reports = answers.flat()
  const [first] = reports
  if (first === undefined) throw new TroupeError('PROCESS_UNREACHABLE', 'no process of this app runs yet, or any more')
  const entries = reports.flatMap(({ instance, report }) => report.entries.map((entry) => ({ instance, ...entry })))
  const { keyPartition } = first.report
  const isCut = question.limit > 0 && entries.length > question.limit
  return {
    ...first.report,
    keyPartition:
      keyPartition === null
        ? null
        : { ...keyPartition, isHere: reports.some(({ report }) => report.keyPartition?.isHere === true) },
    partitions: reports
      .flatMap(({ instance, report }) => report.partitions.map((partition) => ({ instance, ...partition })))
      .sort((one, other) => one.partition - other.partition),
    entries: isCut ? entries.slice(0, question.limit) : entries,
    hasMore: isCut || reports.some(({ report }) => report.hasMore),
  }
}
