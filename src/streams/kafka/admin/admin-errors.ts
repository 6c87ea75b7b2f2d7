/** Why topics and groups cannot be looked at, made or deleted: what, and what to do now. */
import { TroupeError, isTroupeError, type ErrorCode } from '../../../errors.ts'
import { codeOf, messageOf } from '../connection.ts'
import { isOutage } from '../consumer/consumer-errors.ts'
import type { NativeError } from '../native.ts'

export const TOPIC_NOT_ALLOWED = 29
const GROUP_NOT_ALLOWED = 30
export const CLUSTER_NOT_ALLOWED = 31
export const NO_SUCH_GROUP = 69
const NON_EMPTY_GROUP = 68

/** What the client called back. */
export class AdminError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.name = 'AdminError'
    this.code = code
  }
}

export function notConnected(): TroupeError {
  return new TroupeError('BROKER_UNREACHABLE', 'The admin client is not connected.')
}

export function topicNotAllowed(
  act: 'see' | 'make' | 'delete',
  topic: string,
  right: 'Describe' | 'Create' | 'Delete',
  cause?: unknown,
): TroupeError {
  const why = cause === undefined ? '' : ` (${messageOf(cause)})`
  return new TroupeError(
    'TOPIC_NOT_ALLOWED',
    `This user may not ${act} the topic ${topic}${why}: grant ${right} on it`,
    {
      cause,
    },
  )
}

export function groupError(groupId: string, { code, message }: NativeError): TroupeError {
  if (code === GROUP_NOT_ALLOWED) {
    return new TroupeError('NOT_AUTHORIZED', `This user may not do that with the group ${groupId}: ${message}`)
  }
  if (code === NON_EMPTY_GROUP) {
    return new TroupeError(
      'NOT_AUTHORIZED',
      `The group ${groupId} has members: what it has committed stays while they live.`,
    )
  }
  return outage(new AdminError(code, `group ${groupId}: ${message}`))
}

/** What has no cause that can be named: brokers are away, or refuse in a way that nobody has foreseen. */
export function outage(error: unknown): TroupeError {
  if (isTroupeError(error)) return error
  const code = codeOf(error)
  const is: ErrorCode =
    code === GROUP_NOT_ALLOWED || code === CLUSTER_NOT_ALLOWED || code === TOPIC_NOT_ALLOWED
      ? 'NOT_AUTHORIZED'
      : code === undefined || isOutage(code)
        ? 'BROKER_UNREACHABLE'
        : 'BROKER_PROTOCOL'
  return new TroupeError(is, `The brokers did not answer as expected: ${messageOf(error)}`, { cause: error })
}
