/**
 * Are the pairs that a join has written those of a plain computation over the same records? A process of its own:
 * `pairs.ts '{"brokers":…}'` prints PairsChecked as JSON.
 *
 * Outputs are read as one who sees what is committed. A pair may be missing only where it is no older than the newest one of its
 * partition.
 */
import { KafkaProbe } from '../../test/support/kafka-probe.ts'
import { keysOf, namesOf, timeOf, type DataSet } from '../harness/data-set.ts'

export interface PairsTask {
  readonly brokers: string
  readonly output: string
  readonly withinMs: number
  readonly left: DataSet
  readonly right: DataSet
}

export interface PairsChecked {
  readonly pairs: number
  /** Too far from each other, or of records that are none. */
  readonly wrong: number
  readonly twice: number
  readonly missing: number
}

const task = JSON.parse(process.argv[2]!) as PairsTask
console.log(JSON.stringify(await check(task)))
// The probe's readers would keep it.
process.exit(0)

async function check({ brokers, output, withinMs, left, right }: PairsTask): Promise<PairsChecked> {
  const written = await new KafkaProbe(brokers).readAll(output)
  const [lefts, rights] = [timesByKey(left), timesByKey(right)]
  const names = new Map(namesOf(left).map(({ key }, number) => [key, number]))
  const seen = new Set<string>()
  const newest = new Map<number, number>()
  const figures = { wrong: 0, twice: 0 }
  for (const { key, value, partition } of written) {
    const number = names.get(key!.toString())!
    const [one, other] = [value!.readUInt32LE(0), value!.readUInt32LE(4)]
    const [leftMs, rightMs] = [lefts[number]![one]!, rights[number]![other]!]
    // One that is none has no time.
    if (!(Math.abs(leftMs - rightMs) <= withinMs)) figures.wrong += 1
    const pair = `${number}/${one}/${other}`
    if (seen.has(pair)) figures.twice += 1
    seen.add(pair)
    newest.set(partition, Math.max(leftMs, rightMs, newest.get(partition) ?? 0))
  }
  let missing = 0
  for (const [number, { partition }] of namesOf(left).entries()) {
    const untilMs = newest.get(partition) ?? 0
    lefts[number]!.forEach((leftMs, one) => {
      rights[number]!.forEach((rightMs, other) => {
        const isDue = Math.max(leftMs, rightMs) < untilMs && Math.abs(leftMs - rightMs) <= withinMs
        if (isDue && !seen.has(`${number}/${one}/${other}`)) missing += 1
      })
    })
  }
  return { pairs: written.length, missing, ...figures }
}

/** Of each key: when its first record was, its second, … */
function timesByKey(data: DataSet): number[][] {
  const { keys, times } = data
  if (times === undefined) throw new Error('these records have no times')
  const all: number[][] = Array.from({ length: keys }, () => [])
  let index = 0
  for (const number of keysOf(data)) {
    all[number]!.push(timeOf(times, index))
    index += 1
  }
  return all
}
