/**
 * What the lanes of one partition actor wait for, so long as their first record may not go: time to pass, a schema, an
 * operator (`operator-decisions.ts`). All of it is gone when the actor drains or ends.
 */
import type { Clock } from '../../clock.ts'
import type { SchemaPort } from '../../streams/registry/schema-port.ts'
import type { Lane, Lanes } from '../lanes/lanes.ts'
import type { Standing } from '../triage.ts'
import { SchemaWaits } from './schema-waits.ts'

export interface LaneWaitsOptions {
  readonly lanes: Lanes
  readonly clock: Clock
  /** null: no codec of the app needs schemas. */
  readonly schemas: SchemaPort | null
  /** Some lanes wait no longer. */
  readonly onReady: () => void
  /** Before that, where it is a schema that they have waited for: they count as waiting no more. */
  readonly onKnown: () => void
}

export class LaneWaits {
  readonly #options: LaneWaitsOptions
  /** One timer for each lane that waits for its next attempt. */
  readonly #cancels = new Set<() => void>()
  readonly #schemas: SchemaWaits

  constructor(options: LaneWaitsOptions) {
    this.#options = options
    this.#schemas = new SchemaWaits({
      schemas: options.schemas,
      onKnown: (lanes) => {
        for (const lane of lanes) {
          noteQueued(lane)
          options.lanes.resume(lane)
        }
        options.onKnown()
        options.onReady()
      },
    })
  }

  /** Why the schemas that are waited for do not come, for people; null: they do, or none is. */
  get schemaTrouble(): string | null {
    return this.#schemas.trouble
  }

  /** The lane goes no further before what keeps its first record is over. */
  begin(lane: Lane, standing: Standing): void {
    const { lanes } = this.#options
    if (standing.type === 'needs-schema') {
      lanes.hold(lane)
      this.#schemas.await(standing.id, lane)
      return
    }
    lanes.suspend(lane)
    if (standing.type === 'retry') this.#wakeAfter(standing.delayMs, lane)
  }

  cancelAll(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels.clear()
    this.#schemas.cancelAll()
  }

  #wakeAfter(delayMs: number, lane: Lane): void {
    const { clock, lanes, onReady } = this.#options
    const cancel = clock.after(delayMs, () => {
      this.#cancels.delete(cancel)
      noteQueued(lane)
      lanes.wake(lane)
      onReady()
    })
    this.#cancels.add(cancel)
  }
}

function noteQueued({ head }: Lane): void {
  if (head !== null) head.stage = 'queued'
}
