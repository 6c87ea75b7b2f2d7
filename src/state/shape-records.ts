/**
 * How the states of an actor were declared when their values were written, as entries of the changelog like any other: one for
 * each name. A later declaration under which these bytes would mean something else is refused instead of misread.
 *
 *     version 1, codec as text
 *
 * What a state may take (`maxBytes`) and how long it is kept (`ttlMs`) is free to change: neither says what the bytes mean.
 */
import { shapeKey } from './changelog-format.ts'
import type { Change, StateStore } from './store.ts'

/** As much of a declaration as the bytes depend on. */
export interface WrittenShape {
  readonly name: string
  /** Name of its codec. */
  readonly codec: string
}

const VERSION = 1

function encodeShape({ codec }: WrittenShape): Uint8Array {
  return Buffer.concat([Uint8Array.of(VERSION), Buffer.from(codec, 'utf8')])
}

/** What a store has to learn of these declarations: goes with the first checkpoint. Empty: it knows. */
export function newShapes(store: Pick<StateStore, 'get'>, shapes: readonly WrittenShape[]): readonly Change[] {
  return shapes
    .filter(({ name }) => store.get(shapeKey(name)) === undefined)
    .map((shape) => [shapeKey(shape.name), encodeShape(shape)])
}

/** Why values that are there cannot be read by these declarations, each state with its reason. Empty: all can. */
export function changedShapes(store: Pick<StateStore, 'get'>, shapes: readonly WrittenShape[]): readonly string[] {
  return shapes.flatMap(({ codec, name }) => {
    const known = store.get(shapeKey(name))
    if (known === undefined) return []
    const written = Buffer.from(known.subarray(1)).toString('utf8')
    if (known[0] !== VERSION) return [`state ${name} was declared by a later version of Troupe`]
    return written === codec ? [] : [`state ${name} was written with codec ${written}, and is declared with ${codec}`]
  })
}
