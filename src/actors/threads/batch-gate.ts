/**
 * Lets the batches of one thread in side by side, and a suspect only when it has the thread to
 * itself: what happens to the thread then is its doing. First come, first in, so that neither kind
 * waits for ever.
 */
export class BatchGate {
  #inside = 0
  #isHeldAlone = false
  readonly #line: { readonly isAlone: boolean; readonly enter: () => void }[] = []

  /** undefined: came in at once. */
  enter(isAlone: boolean): Promise<void> | undefined {
    if (this.#line.length === 0 && this.#hasRoom(isAlone)) {
      this.#letIn(isAlone)
      return undefined
    }
    return new Promise((enter) => {
      this.#line.push({ isAlone, enter })
    })
  }

  leave(): void {
    this.#inside -= 1
    this.#isHeldAlone = false
    for (let next = this.#line[0]; next !== undefined && this.#hasRoom(next.isAlone); next = this.#line[0]) {
      this.#line.shift()
      this.#letIn(next.isAlone)
      next.enter()
    }
  }

  #hasRoom(isAlone: boolean): boolean {
    return isAlone ? this.#inside === 0 : !this.#isHeldAlone
  }

  #letIn(isAlone: boolean): void {
    this.#inside += 1
    this.#isHeldAlone = isAlone
  }
}
