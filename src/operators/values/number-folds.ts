/** The folds of numbers. */
import { readStored, writeStored, type Stored } from './stored.ts'
import { readSum, rounded, sumOfBoth, sumWith, writeSum, type ExactSum } from './exact-sum.ts'
import type { Fold } from './fold.ts'
import { Unfit } from './unfit.ts'

export const countFold: Fold = {
  name: 'count',
  none: 0,
  add: (kept) => (kept === undefined ? 1 : (kept as number) + 1),
  merge: (kept, other) => (kept as number) + (other as number),
  result: (kept) => kept,
  write: (kept, to) => to.number(kept as number),
  read: (from) => from.number(),
}

export const sumFold: Fold = {
  name: 'sum',
  none: null,
  add: (kept, selected) => sumWith(kept as ExactSum | undefined, selected),
  merge: (kept, other) => sumOfBoth(kept as ExactSum, other as ExactSum),
  result: (kept) => rounded(kept as ExactSum),
  write: (kept, to) => writeSum(kept as ExactSum, to),
  read: readSum,
}

/** Immutable, as all that is kept. */
class Average {
  readonly sum: ExactSum
  readonly count: number

  constructor(sum: ExactSum, count: number) {
    this.sum = sum
    this.count = count
  }
}

export const averageFold: Fold = {
  name: 'average',
  none: null,
  add(kept, selected) {
    const average = kept as Average | undefined
    return new Average(sumWith(average?.sum, selected), (average?.count ?? 0) + 1)
  },
  merge(kept, other) {
    const [a, b] = [kept as Average, other as Average]
    return new Average(sumOfBoth(a.sum, b.sum), a.count + b.count)
  },
  result: (kept) => Number(rounded((kept as Average).sum)) / (kept as Average).count,
  write(kept, to) {
    to.number((kept as Average).count)
    writeSum((kept as Average).sum, to)
  },
  read(from) {
    const count = from.number()
    return new Average(readSum(from), count)
  },
}

type Ordered = number | bigint | string

function extreme(name: 'min' | 'max', isBetter: (a: Ordered, b: Ordered) => boolean): Fold {
  return {
    name,
    none: null,
    add(kept, selected) {
      const value = ordered(selected)
      const before = kept as Ordered | undefined
      if (before === undefined) return value
      if ((typeof before === 'string') !== (typeof value === 'string')) {
        throw new Unfit(value, `cannot be compared with ${before}, which came before it`)
      }
      return isBetter(value, before) ? value : before
    },
    merge: (kept, other) => (isBetter(other as Ordered, kept as Ordered) ? other : kept),
    result: (kept) => kept,
    write: (kept, to) => writeStored(kept as Stored, to),
    read: readStored,
  }
}

function ordered(selected: unknown): Ordered {
  if (typeof selected === 'number') {
    if (!Number.isFinite(selected)) throw new Unfit(selected, 'is no finite number')
    return selected + 0
  }
  if (typeof selected === 'bigint' || typeof selected === 'string') return selected
  throw new Unfit(selected, 'is neither number, bigint nor text')
}

export const minFold = extreme('min', (a, b) => a < b)
export const maxFold = extreme('max', (a, b) => a > b)
