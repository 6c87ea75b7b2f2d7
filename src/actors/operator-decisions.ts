/** Carries out what operators decide on the parked records of one partition actor: on one, or on all of a key in their order. */
import type { Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { Inputs } from './inputs.ts'
import type { Invocation } from './invocation.ts'
import { idOf } from '../streams/record-id.ts'
import type { Lanes } from './lanes/lanes.ts'
import type { Decision, ParkingLot, Place } from './parking-lot.ts'

export interface OperatorDecisionsOptions {
  readonly actor: ResolvedActor
  readonly clock: Clock
  readonly inputs: Inputs
  readonly lanes: Lanes
  readonly parking: ParkingLot
  readonly skip: (invocation: Invocation) => void
  readonly deadLetter: (place: Place) => void
  readonly onCarriedOut: () => void
}

export class OperatorDecisions {
  readonly #options: OperatorDecisionsOptions

  constructor(options: OperatorDecisionsOptions) {
    this.#options = options
  }

  /** False: it is not parked here. Throws NO_DEAD_LETTER_TOPIC where there is none to send it to. */
  decide(id: string, decision: Decision): boolean {
    const place = this.#options.parking.find(id)
    if (place === null) return false
    this.#carryOut([place], decision)
    return true
  }

  /** Returns the ids of the records; none: nothing of the key is parked here. */
  decideKey(topic: string, hash: string, decision: Decision): string[] {
    const places = this.#options.parking.ofKey(topic, hash)
    if (places.length > 0) this.#carryOut(places, decision)
    return places.map(({ invocation }) => idOf(invocation.record))
  }

  #carryOut(places: readonly Place[], decision: Decision): void {
    const { actor, parking } = this.#options
    if (decision === 'dead-letter' && actor.deadLetter === null) {
      const ids = places.map(({ invocation }) => idOf(invocation.record))
      throw new TroupeError(
        'NO_DEAD_LETTER_TOPIC',
        `actor ${actor.name} has no dead-letter topic for ${ids.join(', ')}`,
      )
    }
    for (const place of places) parking.leave(place)
    if (decision === 'retry') this.#tryAgain(places)
    else for (const place of places) this.#giveUp(place, decision)
    this.#options.onCarriedOut()
  }

  #tryAgain(places: readonly Place[]): void {
    const { actor, clock, inputs, lanes } = this.#options
    for (const { invocation } of places) {
      invocation.attempt += 1
      invocation.stage = 'queued'
      if (invocation.failure !== null) invocation.failure = { ...invocation.failure, sinceMs: clock.now() }
      inputs.of(invocation.record).stats.retries += 1
    }
    const parked = places.flatMap(({ lane }) => (lane === null ? [] : [lane]))
    // Those that have left their lane are older than what is parked in it, so they go first.
    const older = places.filter(({ lane }) => lane === null).map(({ invocation }) => invocation)
    if (older.length > 0) lanes.admitAhead(older, actor.order === 'unordered' ? null : (parked[0] ?? null))
    for (const lane of parked) {
      lanes.failed.addAnew(lane)
      lanes.wake(lane)
    }
  }

  #giveUp(place: Place, decision: 'dead-letter' | 'skip'): void {
    const { deadLetter, lanes, skip } = this.#options
    if (decision === 'skip') skip(place.invocation)
    else deadLetter(place)
    // Only now: an output of the next record must not overtake it.
    if (place.lane !== null) lanes.passOver(place.lane)
  }
}
