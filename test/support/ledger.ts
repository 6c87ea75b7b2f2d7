/**
 * The ledger: compares what went into a pipeline with what came out, both read back from Kafka.
 *
 * At least once means: nothing lost; first occurrences of each key in input order; and what repeats, repeats a
 * stretch, in order (the guarantee in README.md, restated here on purpose without using the engine's code).
 */

export interface InputEntry {
  /** Unique. */
  readonly id: string
  readonly key: string
}

export interface OutputEntry {
  /** The id of the input it was made from. */
  readonly id: string
}

export interface OrderViolation {
  readonly key: string
  readonly id: string
  /** The id that had already come out although it goes in later. */
  readonly after: string
}

export interface LedgerBalance {
  readonly inputs: number
  readonly outputs: number
  /** Inputs without any output. */
  readonly lost: readonly string[]
  /** Ids with more than one output, and how many. */
  readonly duplicates: ReadonlyMap<string, number>
  /** Outputs that no input explains. */
  readonly unexpected: readonly string[]
  /** First occurrences that came before an earlier input of the same key. */
  readonly orderViolations: readonly OrderViolation[]
}

/**
 * Both in log order: within a partition by offset; one key is always in one partition.
 */
export function balanceLedger(inputs: readonly InputEntry[], outputs: readonly OutputEntry[]): LedgerBalance {
  const places = numberPlaces(inputs)
  const counts = new Map<string, number>()
  const unexpected: string[] = []
  const orderViolations: OrderViolation[] = []
  const latestByKey = new Map<string, Place>()
  for (const { id } of outputs) {
    const place = places.get(id)
    if (place === undefined) {
      unexpected.push(id)
      continue
    }
    const count = (counts.get(id) ?? 0) + 1
    counts.set(id, count)
    if (count > 1) continue
    const latest = latestByKey.get(place.key)
    if (latest !== undefined && latest.index > place.index) {
      orderViolations.push({ key: place.key, id, after: latest.id })
    } else {
      latestByKey.set(place.key, place)
    }
  }
  return {
    inputs: inputs.length,
    outputs: outputs.length,
    lost: inputs.filter(({ id }) => !counts.has(id)).map(({ id }) => id),
    duplicates: new Map([...counts].filter(([, count]) => count > 1)),
    unexpected,
    orderViolations,
  }
}

/**
 * Stricter: the places where a key's outputs are not "one after the other, and at most a jump back to repeat a
 * stretch". Within a key, each output must be the successor of the one before it, or begin a repetition: an input
 * that has come out before. A gap (1, 3), or a repetition that skips (1 2 3 4, 2 4), is a violation.
 *
 * Inputs that legitimately have no output of this kind (dead-lettered, skipped) must be left out of `inputs`.
 */
export function findBrokenStretches(inputs: readonly InputEntry[], outputs: readonly OutputEntry[]): OrderViolation[] {
  const places = numberPlaces(inputs)
  const seenByKey = new Map<string, { highest: number; previous: Place }>()
  const violations: OrderViolation[] = []
  for (const { id } of outputs) {
    const place = places.get(id)
    if (place === undefined) continue
    const seen = seenByKey.get(place.key)
    const follows = place.index === (seen?.previous.index ?? -1) + 1
    const repeats = seen !== undefined && place.index <= seen.highest
    // A jump back starts a repetition; a jump forward within what is known would skip a part of it.
    const jumpsForward = seen !== undefined && place.index > seen.previous.index + 1
    if (!follows && (!repeats || jumpsForward)) {
      violations.push({ key: place.key, id, after: seen?.previous.id ?? '' })
    }
    seenByKey.set(place.key, { highest: Math.max(seen?.highest ?? -1, place.index), previous: place })
  }
  return violations
}

interface Place {
  readonly id: string
  readonly key: string
  /** Number within its key, from 0. */
  readonly index: number
}

function numberPlaces(inputs: readonly InputEntry[]): Map<string, Place> {
  const places = new Map<string, Place>()
  const nextByKey = new Map<string, number>()
  for (const { id, key } of inputs) {
    if (places.has(id)) throw new Error(`the ledger needs unique ids: ${id} goes in twice`)
    const index = nextByKey.get(key) ?? 0
    nextByKey.set(key, index + 1)
    places.set(id, { id, key, index })
  }
  return places
}
