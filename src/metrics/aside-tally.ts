/** Records that an operator has put aside instead of counting them, by why. */
import { asideReasons, type AsideReason } from '../operators/operator.ts'

export class AsideTally {
  readonly #counts = new Map<AsideReason, number>()

  add(reason: AsideReason): void {
    this.#counts.set(reason, this.get(reason) + 1)
  }

  get(reason: AsideReason): number {
    return this.#counts.get(reason) ?? 0
  }

  /** Those that there were, always in the same order. */
  entries(): [AsideReason, number][] {
    return asideReasons.flatMap((reason): [AsideReason, number][] => {
      const count = this.get(reason)
      return count === 0 ? [] : [[reason, count]]
    })
  }
}
