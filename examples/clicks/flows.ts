/** The pipeline's topics and its table, typed: what a click is, and what makes one broken. */
import { json, table, topic } from 'troupe'

export interface Click {
  readonly user_id: number
  readonly session_id: number
  /** ISO-8601 with a zone. */
  readonly timestamp: string
  readonly url: string
  readonly ip: string
}

export interface EnrichedClick extends Click {
  readonly country: string
}

export const clicks = topic<Click>('user_clicks', { value: json(checkClick) })

export const enrichedClicks = topic<EnrichedClick>('enriched_clicks')

export const clickTable = table<EnrichedClick>('enriched_clicks', {
  columns: {
    user_id: 'bigint',
    session_id: 'bigint',
    timestamp: 'timestamptz',
    url: 'text',
    ip: 'inet',
    country: 'text',
  },
  key: ['user_id', 'timestamp'],
})

export const deadLetterTopic = 'user_clicks_dlq'

/** What it throws sends the record to the dead-letter topic. The address is the handler's to judge. */
export function checkClick(parsed: unknown): Click {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('the JSON is no object')
  const click = parsed as Record<keyof Click, unknown>
  for (const name of ['user_id', 'session_id'] as const) {
    // Beyond 2^53 JSON numbers are not exact: it would be another user's click.
    if (!Number.isSafeInteger(click[name])) throw new Error(`${name} is no integer: ${show(click[name])}`)
  }
  if (!isTime(click.timestamp)) throw new Error(`timestamp is no time: ${show(click.timestamp)}`)
  if (typeof click.url !== 'string' || click.url.includes('\0')) throw new Error(`url is no text: ${show(click.url)}`)
  if (typeof click.ip !== 'string') throw new Error(`ip is no text: ${show(click.ip)}`)
  return parsed as Click
}

const time = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-4]):?[0-5]\d)$/

function isTime(value: unknown): boolean {
  const [text, year, month, day] = typeof value === 'string' ? (time.exec(value) ?? []) : []
  if (text === undefined || year === '0000') return false
  // Date.parse takes 30 February for 2 March, so the day is looked up on its own.
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  return Number(day) <= lastDay && !Number.isNaN(Date.parse(text))
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 100)
}
