/**
 * Whether the handlers can use more records at all. Where threads have a core's worth of work for some
 * time, more would only wait: they cost memory, and the collector time, for as long as they do.
 */
import { Subject, type Observable } from 'rxjs'

export class Appetite {
  readonly #isSated: () => boolean
  readonly #hungry = new Subject<void>()
  #isAwaited = false

  constructor(isSated: () => boolean) {
    this.#isSated = isSated
  }

  get isSated(): boolean {
    return this.#isSated()
  }

  /** Emits once, when it is not sated any more. */
  get hungry$(): Observable<void> {
    this.#isAwaited = true
    return this.#hungry
  }

  /** Some records have gone to a handler. */
  review(): void {
    if (!this.#isAwaited || this.isSated) return
    this.#isAwaited = false
    this.#hungry.next()
  }
}
