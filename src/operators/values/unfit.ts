import { shown } from '../../options/declared.ts'

/** What a selector has selected fits the value as little on another attempt. */
export class Unfit extends Error {
  override readonly name = 'Unfit'

  constructor(selected: unknown, why: string, cause?: unknown) {
    super(`${shown(selected)} ${why}`, { cause })
  }
}
