/** The answers of an app's processes as one, whether there is one or several: each names the instance that it came from. */
import type { Decision, ParkedRecord } from '../../actors/parking-lot.ts'
import { TroupeError, describeError, isTroupeError } from '../../errors.ts'
import type { Health, Readiness } from '../status/health.ts'
import type { InstanceProcess } from './instance-process.ts'
import type { Answers, Question } from './instance-protocol.ts'
import type { Instance, InstanceState } from './instances.ts'
import type { EngineStatus } from '../status/status.ts'

/** As much of an instance as is needed to ask it. */
export interface AskedInstance extends Omit<Instance, 'process'> {
  readonly process: AskedProcess | null
}

interface AskedProcess extends Pick<InstanceProcess, 'pid' | 'decide' | 'decideKey' | 'report'> {
  ask<Name extends Asked>(question: Name): Promise<Answers[Name]>
}

/** Metrics are added up on a path of their own. */
export type Asked = Exclude<Question, 'metrics'>

export interface AskedGroup {
  readonly all: readonly AskedInstance[]
  readonly isStopping: boolean
}

export interface InstanceStatus {
  readonly instance: number
  readonly state: InstanceState
  readonly pid: number | null
  readonly restarts: number
  readonly lastEnd: string | null
  /** Null unless it runs and answers. */
  readonly status: EngineStatus | null
}

export interface InstancesStatus {
  readonly state: 'running' | 'stopping'
  readonly instances: readonly InstanceStatus[]
}

export interface ParkedInInstance extends ParkedRecord {
  readonly instance: number
}

/**
 * As healthy as the worst of all. One that is being started again is in good hands: whoever acts on
 * this would only end the others too.
 */
export async function mergeHealth(group: AskedGroup): Promise<Health> {
  const answers = await Promise.all(
    group.all.map(async (instance): Promise<Health> => {
      const answer = await answerOf(instance, 'health')
      if (answer instanceof Error) return { healthy: false, status: 'unhealthy', reasons: [answer.message] }
      const isFirstStart = instance.state === 'starting' && instance.restarts === 0
      const status = isFirstStart ? 'ok' : 'degraded'
      return answer ?? { healthy: true, status, reasons: [`it is ${instance.state}`] }
    }),
  )
  const status = (['unhealthy', 'degraded'] as const).find((worst) => answers.some((each) => each.status === worst))
  return { healthy: status !== 'unhealthy', status: status ?? 'ok', reasons: namedReasons(answers) }
}

/** Ready when all are. */
export async function mergeReadiness(group: AskedGroup): Promise<Readiness> {
  const answers = await Promise.all(
    group.all.map(async (instance): Promise<Readiness> => {
      const answer = await answerOf(instance, 'readiness')
      if (answer === null) return { ready: false, reasons: [`it is ${instance.state}`] }
      return answer instanceof Error ? { ready: false, reasons: [answer.message] } : answer
    }),
  )
  return { ready: !group.isStopping && answers.every(({ ready }) => ready), reasons: namedReasons(answers) }
}

export async function mergeStatus(group: AskedGroup): Promise<InstancesStatus> {
  const instances = await Promise.all(
    group.all.map(async (instance): Promise<InstanceStatus> => {
      const answer = await answerOf(instance, 'status')
      const { lastEnd, number, process, restarts, state } = instance
      const status = answer instanceof Error ? null : answer
      return { instance: number, state, pid: process?.pid ?? null, restarts, lastEnd, status }
    }),
  )
  return { state: group.isStopping ? 'stopping' : 'running', instances }
}

/** Rejects with PROCESS_UNREACHABLE when one does not answer: a list without its records would be wrong. */
export async function mergeParked(group: AskedGroup): Promise<readonly ParkedInInstance[]> {
  const lists = await Promise.all(
    group.all.map(async (instance) => {
      const answer = await answerOf(instance, 'parked')
      if (answer instanceof Error) throw unreachable(instance.number, answer)
      return (answer ?? []).map((record) => ({ instance: instance.number, ...record }))
    }),
  )
  return lists.flat()
}

/** Asks all: the one that has the record does it. Rejects with NOT_PARKED, NO_DEAD_LETTER_TOPIC or PROCESS_UNREACHABLE. */
export async function decideInGroup(group: AskedGroup, id: string, decision: Decision): Promise<void> {
  const { ids, refusal } = await askForDecision(group, async (process) => {
    await process.decide(id, decision)
    return [id]
  })
  if (ids.length === 0) throw refusal ?? new TroupeError('NOT_PARKED', `record ${id} is not parked here`)
}

/**
 * All that is parked of a key: its records may have come to several partitions. Resolves to the ids of what was decided, and
 * to the word of an instance that refused beside them; rejects in the same way where nothing was decided.
 */
export async function decideKeyInGroup(
  group: AskedGroup,
  { topic, hash }: { readonly topic: string; readonly hash: string },
  decision: Decision,
): Promise<Decided> {
  const { ids, refusal } = await askForDecision(group, (process) => process.decideKey(topic, hash, decision))
  if (ids.length > 0) return { ids, refusal }
  throw refusal ?? new TroupeError('NOT_PARKED', `of topic ${topic} no record of key sha256:${hash} is parked here`)
}

interface Decided {
  readonly ids: readonly string[]
  readonly refusal: TroupeError | null
}

async function askForDecision(
  group: AskedGroup,
  ask: (process: AskedProcess) => Promise<readonly string[]>,
): Promise<Decided> {
  const answers = await Promise.all(
    group.all.map(async ({ number, process, state }): Promise<readonly string[] | TroupeError> => {
      if (process === null || state !== 'running') return []
      try {
        return await ask(process)
      } catch (error) {
        const isRefusal = isTroupeError(error) && error.code !== 'PROCESS_UNREACHABLE'
        return isRefusal ? error : unreachable(number, error)
      }
    }),
  )
  const ids = answers.flatMap((answer) => (isTroupeError(answer) ? [] : answer))
  // What says more than "not here": it may be the word of the one that has the record.
  const refusals = answers.filter(isTroupeError)
  return { ids, refusal: refusals.find((error) => error.code !== 'NOT_PARKED') ?? null }
}

/** Null: it does not run, or not any more. An error: it does not answer. */
async function answerOf<Name extends Asked>(
  instance: AskedInstance,
  question: Name,
): Promise<Answers[Name] | Error | null> {
  const { process, state } = instance
  if (process === null || state !== 'running') return null
  try {
    return await process.ask(question)
  } catch (error) {
    return instance.process === process ? new Error(`it ${describeError(error)}`) : null
  }
}

/** Of a single one nobody asks which it is. */
function namedReasons(answers: readonly { readonly reasons: readonly string[] }[]): string[] {
  const [only, ...others] = answers
  if (only !== undefined && others.length === 0) return [...only.reasons]
  return answers.flatMap(({ reasons }, index) => reasons.map((reason) => `instance ${index + 1}: ${reason}`))
}

function unreachable(instance: number, cause: unknown): TroupeError {
  return new TroupeError('PROCESS_UNREACHABLE', `instance ${instance} does not answer`, { cause })
}
