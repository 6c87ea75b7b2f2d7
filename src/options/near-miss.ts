/**
 * The name somebody probably meant: equal but for case, or at most two slips away (one in a short name). A unit at its
 * end that was left out is one.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  let nearest: string | null = null
  let fewest = name.length <= 4 ? 1 : 2
  for (const candidate of candidates) {
    if (candidate.toLowerCase() === name.toLowerCase()) return candidate
    const whole = countSlips(name.toLowerCase(), candidate.toLowerCase())
    const unitless = candidate.replace(/(?<=[a-z])(Ms|Bytes|Mb)$/, '')
    const slips =
      unitless === candidate ? whole : Math.min(whole, 1 + countSlips(name.toLowerCase(), unitless.toLowerCase()))
    // On a tie the first stands, so the order of the table decides.
    if (nearest === null ? slips <= fewest : slips < fewest) {
      nearest = candidate
      fewest = slips
    }
  }
  return nearest
}

/** The path whose last name somebody probably meant. */
export function nearestPath(name: string, paths: readonly string[]): string | null {
  const last = (path: string): string => path.slice(path.lastIndexOf('.') + 1)
  const near = nearestName(name, paths.map(last))
  return paths.find((path) => last(path) === near) ?? null
}

/** Insertions, deletions, substitutions and swaps of neighbours that lead from one word to the other. */
function countSlips(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1]
      let slips = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (row > 1 && column > 1 && isSwap) slips = Math.min(slips, at(beforeLast, column - 2) + 1)
      current.push(slips)
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity
}
