/** Are the views of campaigns that were written those of a plain computation? `yahoo-check.ts '{"brokers":…}'` prints YahooChecked as JSON. */
import { KafkaProbe } from '../../test/support/kafka-probe.ts'
import { viewsOf, type YahooData } from './yahoo-data.ts'

export interface YahooTask {
  readonly brokers: string
  readonly output: string
  readonly data: YahooData
}

export interface YahooChecked {
  readonly finals: number
  readonly wrong: number
  readonly twice: number
  /** Of windows that are older than the newest one that any campaign has, but for the one before it, which may be on its way. */
  readonly missing: number
}

const { brokers, output, data } = JSON.parse(process.argv[2]!) as YahooTask
const written = await new KafkaProbe(brokers).readAll(output)
const expected = viewsOf(data)
const seen = new Set<string>()
let newest = 0
const figures = { wrong: 0, twice: 0, missing: 0 }
for (const { key, value } of written) {
  const { startMs, total } = JSON.parse(value!.toString()) as { readonly startMs: number; readonly total: number }
  const name = `${startMs}/${key!.toString()}`
  if (expected.get(name) !== total) figures.wrong += 1
  if (seen.has(name)) figures.twice += 1
  seen.add(name)
  newest = Math.max(newest, startMs)
}
for (const name of expected.keys()) {
  if (Number(name.slice(0, name.indexOf('/'))) < newest - 10_000 && !seen.has(name)) figures.missing += 1
}
console.log(JSON.stringify({ finals: written.length, ...figures } satisfies YahooChecked))
// The probe's readers would keep it.
process.exit(0)
