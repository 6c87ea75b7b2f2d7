/** The only process of its app: asked like one of several, without a channel in between. */
import type { StateReport } from '../../state/state-report.ts'
import type { Engine } from '../engine.ts'
import type { Answers } from './instance-protocol.ts'
import type { Asked, AskedGroup, AskedInstance } from './merged-answers.ts'

type AskedEngine = { readonly [Name in Asked]: () => Answers[Name] }

/** What an engine answers to what an HTTP port, or a parent process, is asked. */
export const ownAnswers: { readonly [Name in Asked]: (of: AskedEngine) => Answers[Name] } = {
  health: (of) => of.health(),
  readiness: (of) => of.readiness(),
  status: (of) => of.status(),
  parked: (of) => of.parked(),
}

/** `engine`: null while it starts. */
export function groupOfOne(
  engine: () => (AskedEngine & Pick<Engine, 'decide' | 'decideKey' | 'report' | 'state'>) | null,
): AskedGroup {
  const instance = (): AskedInstance => {
    const running = engine()
    const known = { number: 1, restarts: 0, lastEnd: null }
    if (running === null) return { ...known, state: 'starting', process: null }
    const process = {
      pid: globalThis.process.pid,
      ask: <Name extends Asked>(question: Name): Promise<Answers[Name]> =>
        new Promise((resolve) => {
          resolve(ownAnswers[question](running))
        }),
      decide: (...args: Parameters<Engine['decide']>): Promise<void> =>
        new Promise((resolve) => {
          running.decide(...args)
          resolve()
        }),
      decideKey: (...args: Parameters<Engine['decideKey']>): Promise<readonly string[]> =>
        new Promise((resolve) => {
          resolve(running.decideKey(...args))
        }),
      report: (...args: Parameters<Engine['report']>): Promise<StateReport> =>
        new Promise((resolve) => {
          resolve(running.report(...args))
        }),
    }
    return { ...known, state: 'running', process }
  }
  return {
    get all() {
      return [instance()]
    },
    get isStopping() {
      const state = engine()?.state
      return state === 'stopping' || state === 'ended'
    },
  }
}
