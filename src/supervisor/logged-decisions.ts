/**
 * What the program that Troupe is embedded in decides of parked records: a record may be dropped by it, so it leaves a line.
 * A decision over HTTP has its line there, with where it came from, and reaches the engine without this.
 */
import { hashOf, type KeyChoice } from '../actors/key-text.ts'
import type { Decision } from '../actors/parking-lot.ts'
import type { Log } from '../log.ts'
import type { Engine } from './engine.ts'

export class LoggedDecisions {
  readonly #engine: Pick<Engine, 'decide' | 'decideKey'>
  readonly #log: Log

  constructor(engine: Pick<Engine, 'decide' | 'decideKey'>, log: Log) {
    this.#engine = engine
    this.#log = log
  }

  decide(id: string, decision: Decision): void {
    this.#engine.decide(id, decision)
    this.#log.info({ id, decision }, `${decision} was decided for parked record ${id}, by this program`)
  }

  decideKey(topic: string, key: KeyChoice, decision: Decision): readonly string[] {
    const keyHash = hashOf(key)
    const ids = this.#engine.decideKey(topic, keyHash, decision)
    this.#log.info(
      { topic, keyHash, ids, decision },
      `${decision} was decided for the parked records of a key, by this program`,
    )
    return ids
  }
}
