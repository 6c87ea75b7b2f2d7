/**
 * Are the finals that a contender has written those of a plain computation over the same records? A process of its own:
 * `finals.ts '{"brokers":…}'` prints FinalsChecked as JSON.
 *
 * Outputs are read as one who sees what is committed. A final may be missing only where its window is no older than the newest one that
 * its partition has a final of.
 */
import { KafkaProbe } from '../../test/support/kafka-probe.ts'
import type { DataSet } from '../harness/data-set.ts'
import { totalsOf } from './totals.ts'

export interface FinalsTask {
  readonly brokers: string
  readonly output: string
  readonly sizeMs: number
  readonly data: DataSet
  /** Windows that end by then are of `order`. */
  readonly orderUntilMs?: number
}

export interface FinalsChecked {
  readonly finals: number
  /** Another value than the plain computation has, or a window that it does not have. */
  readonly wrong: number
  readonly twice: number
  readonly missing: number
  /** A window after a newer one, in its partition. */
  readonly outOfOrder: number
  /** Says of the finals up to `orderUntilMs` how each partition has them: the same for the same order. Missing where not all have come. */
  readonly order?: number
}

/** What a final is, as contenders write it. */
interface Final {
  readonly startMs: number
  readonly total: number
}

const task = JSON.parse(process.argv[2]!) as FinalsTask
console.log(JSON.stringify(await check(task)))
// The probe's readers would keep it.
process.exit(0)

async function check({ brokers, output, sizeMs, data, orderUntilMs }: FinalsTask): Promise<FinalsChecked> {
  const written = await new KafkaProbe(brokers).readAll(output)
  const expected = totalsOf(data, sizeMs)
  const seen = new Set<string>()
  const newest = new Map<number, number>()
  const figures = { wrong: 0, twice: 0, outOfOrder: 0 }
  for (const { key, value, partition } of written) {
    const { startMs, total } = JSON.parse(value!.toString()) as Final
    const name = `${startMs}/${key!.toString()}`
    if (expected.get(name)?.total !== total) figures.wrong += 1
    if (seen.has(name)) figures.twice += 1
    seen.add(name)
    const before = newest.get(partition) ?? 0
    if (startMs < before) figures.outOfOrder += 1
    newest.set(partition, Math.max(startMs, before))
  }
  let missing = 0
  for (const [name, { startMs, partition }] of expected) {
    if (startMs < (newest.get(partition) ?? 0) && !seen.has(name)) missing += 1
  }
  const checked = { finals: written.length, missing, ...figures }
  if (orderUntilMs === undefined) return checked
  const isIn = ({ startMs }: { readonly startMs: number }): boolean => startMs + sizeMs <= orderUntilMs
  let left = [...expected.values()].filter(isIn).length
  let order = 0
  for (const { key, value } of written) {
    const final = JSON.parse(value!.toString()) as Final
    if (!isIn(final)) continue
    order = hashOn(order, `${final.startMs}/${key!.toString()}/${final.total};`)
    left -= 1
  }
  if (left > 0) return checked
  return { ...checked, order }
}

function hashOn(hash: number, text: string): number {
  let next = hash
  for (let at = 0; at < text.length; at += 1) next = (Math.imul(next, 31) + text.charCodeAt(at)) | 0
  return next
}
