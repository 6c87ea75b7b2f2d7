/** An instance's process without a process: joins, answers and ends when a test says so. */
import { TroupeError } from '../../../src/errors.ts'
import type { StateQuestion } from '../../../src/state/state-question.ts'
import type { StateReport } from '../../../src/state/state-report.ts'
import type { InstanceEnd, InstanceProcess } from '../../../src/supervisor/instances/instance-process.ts'
import type { Answers, Question } from '../../../src/supervisor/instances/instance-protocol.ts'

export class FakeInstance implements InstanceProcess {
  readonly pid: number
  readonly started: Promise<void>
  readonly ended: Promise<InstanceEnd>
  /** What was told to it, in order. */
  readonly told: string[] = []
  /** What it answers; without an answer it is silent. */
  answers: Partial<Answers> = {}
  /** The record that is parked at it, or what it says to any decision. */
  parked: string | TroupeError | null = null
  /** What it has of any actor. */
  state: StateReport | null = null
  #join: () => void = () => undefined
  #end: (end: InstanceEnd) => void = () => undefined

  constructor(pid: number) {
    this.pid = pid
    this.started = new Promise((resolve) => {
      this.#join = resolve
    })
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  join(): void {
    this.#join()
  }

  end({ code = null, error = null, signal = null }: Partial<InstanceEnd> = {}): void {
    this.#end({ code, error, signal })
  }

  ask<Name extends Question>(question: Name): Promise<Answers[Name]> {
    const answer = this.answers[question]
    return answer === undefined
      ? Promise.reject(new TroupeError('PROCESS_UNREACHABLE', 'does not answer within 5000 ms'))
      : Promise.resolve(answer)
  }

  decide(record: string, decision: string): Promise<void> {
    this.told.push(`${decision} ${record}`)
    if (this.parked instanceof TroupeError) return Promise.reject(this.parked)
    if (this.parked === record) return Promise.resolve()
    return Promise.reject(new TroupeError('NOT_PARKED', `record ${record} is not parked in this process`))
  }

  decideKey(topic: string, hash: string, decision: string): Promise<readonly string[]> {
    this.told.push(`${decision} ${topic} ${hash}`)
    if (this.parked instanceof TroupeError) return Promise.reject(this.parked)
    if (this.parked !== null) return Promise.resolve([this.parked])
    return Promise.reject(new TroupeError('NOT_PARKED', `nothing of ${hash} is parked in this process`))
  }

  report({ actor }: StateQuestion): Promise<StateReport> {
    return Promise.resolve(this.state ?? Promise.reject(new TroupeError('NO_STATE', `actor ${actor} keeps no state`)))
  }

  stop(): void {
    this.told.push('stop')
  }

  kill(): void {
    this.told.push('kill')
  }
}
