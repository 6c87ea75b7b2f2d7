/** One after the other, in the order in which they ask. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  take<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined)
    return turn
  }
}
