/** Counts observations in buckets. Not cumulative, in whatever unit the bounds are in. */
export class Histogram {
  /** Upper bounds, inclusive, ascending. */
  readonly bounds: readonly number[]
  /** One more than bounds: the last counts what is above all of them. */
  readonly counts: number[]
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  /** Notes `times` observations of `value` each: a batch of 100 that took 50 ms is `observe(0.0005, 100)`. */
  observe(value: number, times = 1): void {
    let at = 0
    while (at < this.bounds.length && value > (this.bounds[at] as number)) at += 1
    this.counts[at] = (this.counts[at] as number) + times
    this.count += times
    this.sum += value * times
  }

  /** An estimate of the quantile `q` (0..1), linear within its bucket; null while nothing was observed. */
  quantile(q: number): number | null {
    if (this.count === 0) return null
    const rank = q * this.count
    let below = 0
    for (let at = 0; at < this.bounds.length; at += 1) {
      const inside = this.counts[at] as number
      if (inside > 0 && below + inside >= rank) {
        const lower = at === 0 ? 0 : (this.bounds[at - 1] as number)
        return lower + ((this.bounds[at] as number) - lower) * ((rank - below) / inside)
      }
      below += inside
    }
    return this.bounds.at(-1) ?? null
  }
}
