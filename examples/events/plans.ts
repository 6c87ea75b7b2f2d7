/**
 * Stands in for the service that knows which plan a user has. As services do, it says now and then that it is busy, and has
 * users at whom it fails each time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

export interface Plans {
  /** Throws PlansUnavailable. */
  planOf(userId: number): Promise<string>
}

export class PlansUnavailable extends Error {}

/** The service fails whenever it is asked for this user. */
export const UNLUCKY_USER = 13
const BUSY_EACH = 50

export function openPlans(): Plans {
  let calls = 0
  return {
    async planOf(userId) {
      calls += 1
      const isBusy = calls % BUSY_EACH === 0
      await nextTurn()
      if (userId === UNLUCKY_USER) throw new PlansUnavailable(`no answer for user ${userId}`)
      if (isBusy) throw new PlansUnavailable('busy')
      return userId % 10 === 0 ? 'business' : 'free'
    },
  }
}
