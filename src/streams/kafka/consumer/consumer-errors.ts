/** What the consumer's error codes mean for us. */
import { TroupeError } from '../../../errors.ts'
import type { BrokerTrouble, CommitReport } from '../../broker-port.ts'
import type { NativeError, NativeLogEvent } from '../native.ts'

/**
 * What a commit's error says.
 *
 * 25, 82 and 110: the broker does not know us any more; the client gives up its assignment on them as
 * well. Others may own our partitions by now, so nothing of this epoch may be stored or written any
 * more.
 *
 * 22 and 113 leave that open: every rebalance refuses the commits that were under way when it began a
 * new generation. If there is none, the client gives its assignment up at once, and a revoke says so;
 * if there is one, it keeps its partitions, and fenced here they would have no owner for ever.
 */
export function commitResult(error: NativeError | null | undefined): CommitReport['result'] {
  switch (error?.code) {
    case undefined:
    case 0:
      return 'accepted'
    case 22: // illegal generation
    case 27: // rebalance in progress
    case 113: // stale member epoch
      return 'deferred'
    case 12: // offset metadata too large
      return 'too-large'
    case 25: // unknown member
    case 82: // fenced instance id
    case 110: // fenced member epoch
      return 'fenced'
    default:
      return 'failed'
  }
}

/** No broker answers, or none that could: one is away, or what it did moves to another. */
export function isOutage(code: number | undefined): boolean {
  switch (code) {
    case -195: // transport failure
    case -193: // host not resolved
    case -187: // all brokers down
    case -185: // timed out
    case -180: // waiting for the coordinator
    case -166: // timed out in the queue
    case -137: // the broker has left the cluster
    case 5: // leader not available
    case 6: // not the leader
    case 7: // request timed out
    case 8: // broker not available
    case 9: // replica not available
    case 13: // connection lost
    case 14: // coordinator loads
    case 15: // coordinator not available
    case 16: // not the coordinator
    case 56: // storage error: another becomes the leader
    case 74: // asked for an older leader
    case 75: // asked for a newer leader than this one knows of
    case 78: // a new leader that has not caught up yet
    case 88: // positions of a transaction that is still open
      return true
    default:
      return false
  }
}

/** There is no such topic, or no such partition of it. */
export function isMissing(code: number | undefined): boolean {
  switch (code) {
    case -190: // unknown partition
    case -188: // unknown topic
    case -156: // no such entry: the metadata do not have it
    case 3: // unknown topic or partition
      return true
    default:
      return false
  }
}

/** What ends a reader's poll; undefined for what passes by itself, or is looked into elsewhere. */
export function readFailure({ code, message }: NativeError): TroupeError | undefined {
  if (code === 29) return new TroupeError('NOT_AUTHORIZED', `This user may not read a topic: ${message}`)
  if (isMissing(code)) return new TroupeError('TOPIC_MISSING', `A topic that is read does not exist: ${message}`)
  return undefined
}

/** The trouble behind an error of `consume`; undefined when it passes by itself and something else tells of it. */
export function consumeTrouble(error: NativeError): BrokerTrouble | undefined {
  const { code, message } = error
  switch (code) {
    case -150: // fatal: the log line says which, see fatalTrouble
      return undefined
    case -147: // max.poll.interval.ms exceeded: the log said so before, see isExpelledLog
      return undefined
    case 29:
    case 30:
      return {
        severity: 'fatal',
        code: 'NOT_AUTHORIZED',
        message: `This user may not read ${code === 29 ? 'a topic it subscribes to' : 'with this group id'}: ${message}`,
      }
    case 3:
    case -188:
      return { severity: 'warning', code: 'TOPIC_MISSING', message: `A subscribed topic does not exist: ${message}` }
    case -140: // a position outside the log: without the partition; the consumer looks for it
      return undefined
    case -185:
    case -187:
    case -193:
    case -195:
      return { severity: 'warning', code: 'BROKER_UNREACHABLE', message }
    default:
      return { severity: 'warning', code: 'INTERNAL', message: `The client reports: ${message} (${code})` }
  }
}

/** The client's fatal errors: `consume` tells them once, and not at all when records came in the same call; the log always does. */
export function fatalTrouble(event: NativeLogEvent): BrokerTrouble | undefined {
  if (event.fac !== 'FATAL') return undefined
  const message = event.message.replace(/^\[thrd:[^\]]*\]:\s*/, '')
  const fenced = /group\.instance\.id|instance id|fenced/i.test(message)
  if (!fenced) return { severity: 'fatal', code: 'INTERNAL', message }
  const cause = 'Another member of the group has the same groupInstanceId; each member needs its own'
  return { severity: 'fatal', code: 'FENCED', message: `${cause}. The client says: ${message}` }
}

/** The client left the group because it was not polled for too long. The log says so at once, `consume` when it is called again. */
export function isExpelledLog(event: NativeLogEvent): boolean {
  return event.fac === 'MAXPOLL'
}
