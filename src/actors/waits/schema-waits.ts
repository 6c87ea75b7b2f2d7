/**
 * The lanes of one partition actor whose first record cannot be decoded before a schema is known. Each schema is asked for
 * once, and all that wait for it go on together. Nobody is called any more when the actor drains or ends.
 */
import { TroupeError } from '../../errors.ts'
import type { SchemaPort } from '../../streams/registry/schema-port.ts'
import type { Lane } from '../lanes/lanes.ts'

interface Wait {
  readonly lanes: Lane[]
  readonly cancel: () => void
}

export interface SchemaWaitsOptions {
  /** null: the app has no codec that needs schemas. */
  readonly schemas: SchemaPort | null
  /** These wait no longer: the schema is known, or it is known that there is none. */
  readonly onKnown: (lanes: readonly Lane[]) => void
}

export class SchemaWaits {
  readonly #options: SchemaWaitsOptions
  /** By the id of the schema. */
  readonly #waits = new Map<number, Wait>()

  constructor(options: SchemaWaitsOptions) {
    this.#options = options
  }

  /** Why answers do not come, for people; null: they do, or nobody waits. */
  get trouble(): string | null {
    return this.#waits.size === 0 ? null : (this.#options.schemas?.trouble()?.reason ?? null)
  }

  await(id: number, lane: Lane): void {
    const others = this.#waits.get(id)
    if (others !== undefined) {
      others.lanes.push(lane)
      return
    }
    const { onKnown, schemas } = this.#options
    if (schemas === null) throw new TroupeError('INTERNAL', `a record waits for schema ${id}, and nobody asks for any`)
    const lanes = [lane]
    const cancel = schemas.whenKnown(id, () => {
      this.#waits.delete(id)
      onKnown(lanes)
    })
    this.#waits.set(id, { lanes, cancel })
  }

  cancelAll(): void {
    for (const { cancel } of this.#waits.values()) cancel()
    this.#waits.clear()
  }
}
