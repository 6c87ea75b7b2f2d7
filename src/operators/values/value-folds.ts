/** The folds that keep values of the user's. */
import { readStored, stored, taken, writeStored, type Stored } from './stored.ts'
import type { Fold } from './fold.ts'

class Timed {
  readonly timeMs: number
  readonly value: Stored

  constructor(timeMs: number, value: Stored) {
    this.timeMs = timeMs
    this.value = value
  }
}

/** `isBetter`: whether a later arrival of this time takes the place of what is there. */
function timed(name: 'first' | 'last', isBetter: (timeMs: number, keptMs: number) => boolean): Fold {
  return {
    name,
    none: null,
    add(kept, selected, timeMs) {
      if (kept !== undefined && !isBetter(timeMs, (kept as Timed).timeMs)) return kept
      return new Timed(timeMs, stored(selected))
    },
    merge: (kept, other) => (isBetter((other as Timed).timeMs, (kept as Timed).timeMs) ? other : kept),
    result: (kept) => taken((kept as Timed).value),
    write(kept, to) {
      to.number((kept as Timed).timeMs)
      writeStored((kept as Timed).value, to)
    },
    read(from) {
      const timeMs = from.number()
      return new Timed(timeMs, readStored(from))
    },
  }
}

/** Of several at one time the one of the lowest offset. */
export const firstFold = timed('first', (timeMs, keptMs) => timeMs < keptMs)
/** Of several at one time the one of the highest offset. */
export const lastFold = timed('last', (timeMs, keptMs) => timeMs >= keptMs)

/** A list that only grows at its end, so that what was kept before goes on as it was. */
class Collected {
  readonly item: Timed
  readonly before: Collected | undefined
  readonly length: number

  constructor(item: Timed, before: Collected | undefined) {
    this.item = item
    this.before = before
    this.length = 1 + (before?.length ?? 0)
  }
}

/** As they were added. */
function itemsOf(collected: Collected): Timed[] {
  const items: Timed[] = []
  for (let at: Collected | undefined = collected; at !== undefined; at = at.before) items.push(at.item)
  return items.reverse()
}

function collectedWith(items: readonly Timed[], before: Collected | undefined): Collected {
  return items.reduce<Collected | undefined>((list, item) => new Collected(item, list), before)!
}

export const collectFold: Fold = {
  name: 'collect',
  get none() {
    return []
  },
  add: (kept, selected, timeMs) => new Collected(new Timed(timeMs, stored(selected)), kept as Collected | undefined),
  merge: (kept, other) => collectedWith(itemsOf(other as Collected), kept as Collected),
  result: (kept) =>
    itemsOf(kept as Collected)
      .sort((a, b) => a.timeMs - b.timeMs)
      .map(({ value }) => taken(value)),
  write(kept, to) {
    to.number((kept as Collected).length)
    for (const { timeMs, value } of itemsOf(kept as Collected)) {
      to.number(timeMs)
      writeStored(value, to)
    }
  },
  read(from) {
    const items = Array.from({ length: from.number() }, () => {
      const timeMs = from.number()
      return new Timed(timeMs, readStored(from))
    })
    return collectedWith(items, undefined)
  },
}

export interface Reducer<In, Kept> {
  /** What there is before the first record. */
  readonly initial: () => Kept
  /** What there is with this record too. What it is given is its own: it may change it and return it. */
  readonly add: (kept: Kept, value: In) => Kept
  /**
   * What there is of the records of both, `kept` standing before `other` in time. Needed where windows merge: with session
   * and sliding windows.
   */
  readonly merge?: (kept: Kept, other: Kept) => Kept
}

export function reduceFold({ add, initial, merge }: Reducer<unknown, unknown>): Fold {
  return {
    name: 'reduce',
    get none() {
      return initial()
    },
    add: (kept, selected) => stored(add(kept === undefined ? initial() : taken(kept as Stored), selected)),
    merge(kept, other) {
      if (merge === undefined) throw new Error('it has no merge')
      return stored(merge(taken(kept as Stored), taken(other as Stored)))
    },
    result: (kept) => taken(kept as Stored),
    write: (kept, to) => writeStored(kept as Stored, to),
    read: readStored,
  }
}
