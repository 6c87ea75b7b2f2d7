/** One of the processes of `troupe run --instances N`, as their parent has it. */
import { fork, type ChildProcess } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../clock.ts'
import type { Decision } from '../../actors/parking-lot.ts'
import { TroupeError, fromWireError } from '../../errors.ts'
import { ownProgram } from '../../own-program.ts'
import type { StateQuestion } from '../../state/state-question.ts'
import type { StateReport } from '../../state/state-report.ts'
import type { Answers, InstanceMessage, InstanceTask, ParentMessage, Question } from './instance-protocol.ts'

export interface InstanceEnd {
  readonly code: number | null
  readonly signal: string | null
  /** What it said that it ends of; null: it said nothing. */
  readonly error: Error | null
}

export interface InstanceProcess {
  readonly pid: number | undefined
  /** Resolves when it has joined its group; never, where it does not. */
  readonly started: Promise<void>
  /** Resolves when the process is gone. Never rejects. */
  readonly ended: Promise<InstanceEnd>
  /** Rejects with PROCESS_UNREACHABLE when no answer comes. */
  ask<Name extends Question>(question: Name): Promise<Answers[Name]>
  /** Rejects with NOT_PARKED, NO_DEAD_LETTER_TOPIC, or PROCESS_UNREACHABLE when no answer comes. */
  decide(record: string, decision: Decision): Promise<void>
  /** Resolves to the ids of all that were parked of the key. Rejects in the same way. */
  decideKey(topic: string, hash: string, decision: Decision): Promise<readonly string[]>
  /** What it has of an actor's state. Rejects with NO_STATE, or PROCESS_UNREACHABLE when no answer comes. */
  report(question: StateQuestion): Promise<StateReport>
  /** Drain, commit, leave the group, end. */
  stop(): void
  /** Ends it now. */
  kill(): void
}

/** Longer than a collection of garbage takes; a probe does not wait much longer either. */
const ANSWER_TIMEOUT_MS = 5000

/** To end, for a process that has closed its channel: then it has said all, and nobody can tell it anything any more. */
const EXIT_TIMEOUT_MS = 10_000

/** Starts a process. It has this one's arguments, for `ps` and for an app that reads them. */
export function forkInstance(task: InstanceTask, clock: Clock): InstanceProcess {
  const child = fork(fileURLToPath(ownProgram('./supervisor/instances/instance-child')), process.argv.slice(2), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // JSON would turn what is not a number into null.
    serialization: 'advanced',
  })
  const instance = new ForkedInstance(child, clock)
  instance.send({ type: 'run', task })
  return instance
}

interface OpenQuestion {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class ForkedInstance implements InstanceProcess {
  readonly started: Promise<void>
  readonly ended: Promise<InstanceEnd>
  readonly #child: ChildProcess
  readonly #clock: Clock
  readonly #open = new Map<number, OpenQuestion>()
  #lastId = 0
  #error: Error | null = null
  #noteStarted: () => void = () => undefined

  constructor(child: ChildProcess, clock: Clock) {
    this.#clock = clock
    this.#child = child
    this.started = new Promise((resolve) => {
      this.#noteStarted = resolve
    })
    child.on('message', (message) => {
      this.#receive(message as InstanceMessage)
    })
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal, error: this.#error })
      })
      child.on('error', (error) => {
        // It could not be started; otherwise it is still there, and 'close' follows.
        if (child.pid === undefined) resolve({ code: null, signal: null, error })
      })
    })
    void this.ended.then(() => {
      this.#refuseAll()
    })
    child.once('disconnect', () => {
      // Where the native client cannot disconnect, even process.exit() waits for it, for ever.
      const cancelTimer = this.#clock.after(EXIT_TIMEOUT_MS, () => {
        this.kill()
      })
      child.once('close', () => {
        cancelTimer()
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  async ask<Name extends Question>(question: Name): Promise<Answers[Name]> {
    return (await this.#answer((id) => ({ type: 'ask', id, question }))) as Answers[Name]
  }

  async decide(record: string, decision: Decision): Promise<void> {
    await this.#answer((id) => ({ type: 'decide', id, record, decision }))
  }

  async decideKey(topic: string, hash: string, decision: Decision): Promise<readonly string[]> {
    return (await this.#answer((id) => ({ type: 'decide-key', id, topic, hash, decision }))) as readonly string[]
  }

  async report(question: StateQuestion): Promise<StateReport> {
    return (await this.#answer((id) => ({ type: 'report', id, question }))) as StateReport
  }

  #answer(question: (id: number) => ParentMessage): Promise<unknown> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#clock.after(ANSWER_TIMEOUT_MS, () => {
        this.#open.delete(id)
        reject(unreachable(`does not answer within ${ANSWER_TIMEOUT_MS} ms`))
      })
      this.#open.set(id, {
        resolve: (value) => {
          cancelTimer()
          resolve(value)
        },
        reject: (error) => {
          cancelTimer()
          reject(error)
        },
      })
      this.send(question(id))
    })
  }

  stop(): void {
    this.send({ type: 'stop' })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  send(message: ParentMessage): void {
    // A channel that is closed has its own event: the process ends, or has ended.
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  #receive(message: InstanceMessage): void {
    switch (message.type) {
      case 'started':
        this.#noteStarted()
        break
      case 'failed':
        this.#error = fromWireError(message.error)
        break
      case 'answer':
        this.#take(message.id)?.resolve(message.value)
        break
      case 'refusal':
        this.#take(message.id)?.reject(fromWireError(message.error))
        break
    }
  }

  /** Undefined: the answer comes too late. */
  #take(id: number): OpenQuestion | undefined {
    const question = this.#open.get(id)
    this.#open.delete(id)
    return question
  }

  #refuseAll(): void {
    for (const { reject } of this.#open.values()) reject(unreachable('has ended'))
    this.#open.clear()
  }
}

function unreachable(what: string): TroupeError {
  return new TroupeError('PROCESS_UNREACHABLE', what)
}
