/** What follows from the broker's answer to a commit, whoever has stored the positions. */
import type { Log } from '../../log.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import type { CommitReport } from '../broker-port.ts'
import { partitionName } from '../record.ts'
import type { CommitEvents } from './delivery.ts'

export interface ReportListeners {
  readonly events: CommitEvents
  readonly log: Log
  readonly stats: Pick<EngineStats, 'commits'>
}

export function takeReport(report: CommitReport, { events, log, stats }: ReportListeners): void {
  stats.commits[report.result] += 1
  switch (report.result) {
    case 'accepted':
      for (const { topic, partition, position } of report.positions) {
        if (position !== undefined) events.onCommitted({ topic, partition }, position)
      }
      break
    case 'deferred':
      log.debug({ reason: report.reason }, 'a commit waits for the end of a rebalance')
      break
    case 'fenced':
      log.warn({ reason: report.reason }, 'the broker does not know this member any more; its partitions are fenced')
      events.onRefused(report.positions)
      break
    case 'too-large':
      log.warn(
        { partitions: report.positions.map(partitionName), reason: report.reason },
        'the broker refuses the length of a completion map (offset.metadata.max.bytes); positions are committed alone',
      )
      break
    case 'failed':
      log.warn({ reason: report.reason }, 'a commit failed; it is tried again')
      break
  }
}
