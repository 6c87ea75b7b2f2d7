/**
 * The ledger of the clicks: what came out of `user_clicks`, read back from the topics and the table. What is a good
 * click is said here once more, on purpose without the example's code.
 */
import { isUtf8 } from 'node:buffer'
import { isIP } from 'node:net'
import { headerText, type KafkaProbe, type ReadRecord } from './kafka-probe.ts'
import { balanceLedger, findBrokenStretches } from './ledger.ts'
import type { RealPostgres } from './real-postgres.ts'

export interface ClickBalance {
  readonly in: number
  readonly enriched: number
  readonly deadLettered: number
  /** Good clicks that are not in `enriched_clicks`, broken ones that are not in `user_clicks_dlq`. */
  readonly lost: readonly string[]
  /** Outputs beyond the first of a click. */
  readonly duplicates: number
  /** Outputs that no click explains: of nothing, of a broken click, or a good click in the dead letters. */
  readonly unexpected: readonly string[]
  /** First occurrences out of their key's order, and repetitions that are no stretch. */
  readonly outOfOrder: readonly unknown[]
  /** Enriched clicks whose key or value is not the click's, with a country. */
  readonly wrongOutputs: readonly string[]
  /** Dead letters that are not as the click came, or do not say where from and why. */
  readonly wrongDeadLetters: readonly string[]
  readonly rows: number
  /** Different (user_id, timestamp) among the good clicks. */
  readonly distinct: number
  /** Rows that are missing or hold something else; rows that nothing explains. */
  readonly wrongRows: readonly [missing: number, unexplained: number]
}

/** What has to be empty, or nought, in a balance of a run without a crash. */
export const nothingWrong = {
  lost: [],
  duplicates: 0,
  unexpected: [],
  outOfOrder: [],
  wrongOutputs: [],
  wrongDeadLetters: [],
  wrongRows: [0, 0],
}

export async function balanceClicks(probe: KafkaProbe, postgres: RealPostgres): Promise<ClickBalance> {
  const [clicks, enriched, letters] = (await Promise.all(
    ['user_clicks', 'enriched_clicks', 'user_clicks_dlq'].map((topic) => probe.readAll(topic)),
  )) as [ReadRecord[], ReadRecord[], ReadRecord[]]
  const byId = new Map(clicks.map((record) => [idOf(record), record]))
  const good = clicks.filter(({ value }) => isGoodClick(value)).map(entryOf)
  const broken = clicks.filter(({ value }) => !isGoodClick(value)).map(entryOf)
  const outputs = enriched.map((record) => ({ id: causeOf(record) }))
  const deadOutputs = letters.map((record) => ({ id: originOf(record) }))
  const enrichedBalance = balanceLedger(good, outputs)
  const deadBalance = balanceLedger(broken, deadOutputs)
  const expected = expectRows(clicks, enriched)
  return {
    in: clicks.length,
    enriched: new Set(outputs.map(({ id }) => id)).size,
    deadLettered: new Set(deadOutputs.map(({ id }) => id)).size,
    lost: [...enrichedBalance.lost, ...deadBalance.lost],
    duplicates: enriched.length + letters.length - new Set([...outputs, ...deadOutputs].map(({ id }) => id)).size,
    unexpected: [...enrichedBalance.unexpected, ...deadBalance.unexpected],
    outOfOrder: [...enrichedBalance.orderViolations, ...findBrokenStretches(good, outputs)],
    wrongOutputs: enriched.filter((record) => !isEnriched(record, byId.get(causeOf(record)))).map(causeOf),
    wrongDeadLetters: letters.filter((record) => !isAsItCame(record, byId.get(originOf(record)))).map(originOf),
    rows: Number((await postgres.query<{ count: string }>('select count(*) from enriched_clicks'))[0]?.count),
    distinct: expected.length,
    wrongRows: await countWrongRows(postgres, expected),
  }
}

const idOf = (record: ReadRecord): string => `${record.topic}/${record.partition}/${record.offset}`

/** Clicks without a key have no order among each other: each is a line of its own. */
const entryOf = (record: ReadRecord) => ({
  id: idOf(record),
  key: record.key === null ? idOf(record) : `${record.partition} ${record.key.toString('hex')}`,
})

const causeOf = (record: ReadRecord): string => (headerText(record, 'troupe-id') ?? 'no id').replace(/\/0$/, '')

const originOf = (record: ReadRecord): string =>
  ['troupe.topic', 'troupe.partition', 'troupe.offset'].map((name) => headerText(record, name)).join('/')

interface Click {
  readonly user_id: number
  readonly timestamp: string
  readonly ip: string
}

function isGoodClick(value: Buffer | null): boolean {
  if (value === null || !isUtf8(value)) return false
  let click: Click | null
  try {
    click = JSON.parse(value.toString('utf8')) as Click | null
  } catch {
    return false
  }
  return (
    typeof click === 'object' &&
    Number.isSafeInteger(click?.user_id) &&
    isMoment(click?.timestamp) &&
    isIP(click?.ip ?? '') !== 0 &&
    click?.ip.includes('%') === false
  )
}

function isMoment(text: string | undefined): boolean {
  const [, local, day] = /^(\d{4}-\d\d-(\d\d)T[\d:.]+)(?:Z|[+-]\d\d:\d\d)$/.exec(text ?? '') ?? []
  // 30 February is read as 2 March.
  return new Date(`${local ?? ''}Z`).getUTCDate() === Number(day)
}

function isEnriched(output: ReadRecord, click: ReadRecord | undefined): boolean {
  if (click?.value == null || output.value === null) return false
  const { country, ...rest } = JSON.parse(output.value.toString()) as Click & { country: string }
  const isPrivate = /^(10\.|192\.168\.|127\.|::1$|fe80:|fd00:)/.test(rest.ip)
  return (
    JSON.stringify(rest) === click.value.toString() &&
    (isPrivate ? country === 'UNKNOWN' : /^([A-Z]{2}|UNKNOWN)$/.test(country)) &&
    output.key?.toString() === String(rest.user_id)
  )
}

function isAsItCame(letter: ReadRecord, click: ReadRecord | undefined): boolean {
  if (click === undefined) return false
  const own = letter.headers.filter(([name]) => name.startsWith('troupe.'))
  const told = new Map(own.map(([name, value]) => [name, value?.toString() ?? '']))
  const came = letter.headers.filter(([name]) => !name.startsWith('troupe.'))
  return (
    isSame(letter.key, click.key) &&
    isSame(letter.value, click.value) &&
    JSON.stringify(came) === JSON.stringify(click.headers) &&
    told.get('troupe.attempts') === '1' &&
    ['error-code', 'error-message', 'first-failed-at', 'dead-lettered-at'].every((name) => told.get(`troupe.${name}`))
  )
}

function isSame(one: Buffer | null, other: Buffer | null): boolean {
  return one === null || other === null ? one === other : one.equals(other)
}

/** One row for each (user_id, timestamp) of the good clicks: the last one of the log. The country is the output's. */
function expectRows(clicks: readonly ReadRecord[], enriched: readonly ReadRecord[]): readonly unknown[] {
  const outputs = new Map(enriched.map((record) => [causeOf(record), record.value?.toString() ?? 'null']))
  const rows = new Map<string, unknown>()
  for (const record of clicks) {
    if (!isGoodClick(record.value)) continue
    const click = JSON.parse(record.value?.toString() ?? '') as Click
    const output = JSON.parse(outputs.get(idOf(record)) ?? 'null') as object | null
    rows.set(`${click.user_id} ${Date.parse(click.timestamp)}`, { ...click, ...output })
  }
  return [...rows.values()]
}

/** The database compares: it knows best when two times or two addresses are the same. */
async function countWrongRows(postgres: RealPostgres, expected: readonly unknown[]): Promise<[number, number]> {
  const columns = 'user_id, session_id, timestamp, url, ip, country'
  const [answer] = await postgres.query<{ missing: string; unexplained: string }>(
    `with expected as (
       select ${columns} from jsonb_to_recordset($1)
       as row (user_id bigint, session_id bigint, timestamp timestamptz, url text, ip inet, country text)
     )
     select
       (select count(*) from (select * from expected except select ${columns} from enriched_clicks) as a) as missing,
       (select count(*) from (select ${columns} from enriched_clicks except select * from expected) as b) as unexplained`,
    [JSON.stringify(expected)],
  )
  return [Number(answer?.missing), Number(answer?.unexplained)]
}
