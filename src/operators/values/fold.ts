import type { ByteReader, ByteWriter } from './bytes.ts'

/**
 * How what was selected of records becomes one value. What is kept is never changed, only followed by another; undefined:
 * nothing was added yet.
 */
export interface Fold {
  /** What its bytes depend on: a part of what the state is known by. */
  readonly name: string
  /** `selected` is neither null nor undefined. Throws Unfit for what it cannot take. */
  add(kept: unknown, selected: unknown, timeMs: number): unknown
  /** Of what stands before it in time, and what stands after it. */
  merge(kept: unknown, other: unknown): unknown
  /** Of something that was kept. */
  result(kept: unknown): unknown
  /** Of nothing. */
  readonly none: unknown
  write(kept: unknown, to: ByteWriter): void
  read(from: ByteReader): unknown
}
