/**
 * What the program that Troupe is embedded in decides of parked records: a record may be dropped by it, so it leaves a line.
 * A decision over HTTP has its line there, with where it came from, and reaches the engine without this.
 */
import { inspect } from 'node:util'
import { hashOf, type KeyChoice } from '../actors/key-text.ts'
import { decisions, type Decision } from '../actors/parking-lot.ts'
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Engine } from './engine.ts'

export class LoggedDecisions {
  readonly #engine: Pick<Engine, 'decide' | 'decideKey'>
  readonly #log: Log

  constructor(engine: Pick<Engine, 'decide' | 'decideKey'>, log: Log) {
    this.#engine = engine
    this.#log = log
  }

  /** Throws OPTIONS_INVALID for what is no decision: a caller in JavaScript has no compiler. */
  decide(id: string, decision: Decision): void {
    refuseOther(decision)
    this.#engine.decide(id, decision)
    this.#log.info({ id, decision }, `${decision} was decided for parked record ${id}, by this program`)
  }

  decideKey(topic: string, key: KeyChoice, decision: Decision): readonly string[] {
    refuseOther(decision)
    const keyHash = hashOf(key)
    const ids = this.#engine.decideKey(topic, keyHash, decision)
    this.#log.info(
      { topic, keyHash, ids, decision },
      `${decision} was decided for the parked records of a key, by this program`,
    )
    return ids
  }
}

function refuseOther(decision: unknown): void {
  if ((decisions as readonly unknown[]).includes(decision)) return
  throw new TroupeError('OPTIONS_INVALID', `a decision is one of ${decisions.join(', ')}, and got ${inspect(decision)}`)
}
