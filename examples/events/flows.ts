/** The pipeline's topics and its table, typed: what an event is, and what is kept of it. */
import { json, table, text, topic } from 'troupe'

export interface ShopEvent {
  readonly event_id: string
  readonly event_type: string
  readonly user_id: number
  /** ISO-8601: when it happened. */
  readonly timestamp: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface ProcessedEvent extends Omit<ShopEvent, 'timestamp'> {
  /** The user's, when it was processed. */
  readonly plan: string
  readonly original_timestamp: string
  readonly processed_at: string
}

export const events = topic('events', { value: json(checkEvent) })

/** Keys are the user's id. */
export const processedEvents = topic('processed-events', { key: text, value: json<ProcessedEvent>() })

export const eventTable = table<ProcessedEvent>('processed_events', {
  columns: {
    event_id: 'text',
    event_type: 'text',
    user_id: 'bigint',
    plan: 'text',
    original_timestamp: 'timestamptz',
    processed_at: 'timestamptz',
    data: 'jsonb',
  },
  key: ['event_id'],
})

export const deadLetterTopic = 'events-dlq'

/** What it throws sends the record to the dead-letter topic, so it tells all that is wrong at once. */
export function checkEvent(parsed: unknown): ShopEvent {
  if (!isObject(parsed)) throw new Error('the JSON is no object')
  const missing = Object.keys(rules).filter((field) => parsed[field] === undefined || parsed[field] === null)
  const wrong = Object.entries(rules).filter(([field, { holds }]) => !missing.includes(field) && !holds(parsed[field]))
  const problems = [
    ...(missing.length === 0 ? [] : [`missing: ${missing.join(', ')}`]),
    ...wrong.map(([field, { is }]) => `${field} is no ${is}`),
  ]
  if (problems.length > 0) throw new Error(problems.join('; '))
  return parsed as unknown as ShopEvent
}

interface Rule {
  readonly is: string
  readonly holds: (value: unknown) => boolean
}

/** All fields are required. */
const rules: Readonly<Record<keyof ShopEvent, Rule>> = {
  event_id: { is: 'text', holds: isText },
  event_type: { is: 'text', holds: isText },
  user_id: { is: 'integer', holds: Number.isSafeInteger },
  timestamp: { is: 'time', holds: isTime },
  data: { is: 'object', holds: isObject },
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

function isTime(value: unknown): boolean {
  return (
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value))
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
