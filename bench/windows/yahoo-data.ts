/**
 * The events of Yahoo's streaming benchmark (github.com/yahoo/streaming-benchmarks, `data/src/setup/core.clj`): advertisements belong to
 * campaigns, ten to each; each event is of one of them, a view, a click or a purchase. Counted are the views of each campaign in windows
 * of ten seconds, by the time that the event tells. Written anew, with the same fields in JSON; the same events at each run.
 */
import { partitionOf } from '../../src/streams/murmur2.ts'
import { randomOf, type DataRecord } from '../harness/data-set.ts'

export interface YahooData {
  readonly events: number
  readonly partitions: number
  readonly fromMs: number
  /** So many events in a second of their own time. */
  readonly perSecond: number
  /** Events have their ad as key, and go to its partition; else they have none, and go to each partition in turn. */
  readonly isKeyed: boolean
}

export const windowMs = 10_000
const campaigns = 100
const adsOfCampaign = 10

const adTypes = ['banner', 'modal', 'sponsored-search', 'mail', 'mobile']
const eventTypes = ['view', 'click', 'purchase']
/** Of users and pages. */
const ids = 100

/** Looks like the random ones that the original has. */
function idOf(kind: number, number: number): string {
  const hex = (value: number, length: number): string => value.toString(16).padStart(length, '0')
  const mixed = Math.imul(number + 1, 0x9e3779b1) >>> 0
  return `${hex(mixed, 8)}-${hex(kind, 4)}-4${hex(number & 0xfff, 3)}-8${hex(kind, 3)}-${hex(number, 12)}`
}

const campaignOf = (ad: number): string => idOf(1, Math.floor(ad / adsOfCampaign))
const adOf = (ad: number): string => idOf(2, ad)
export const adKeyOf = (ad: number): Buffer => Buffer.from(adOf(ad))
export const adCount = campaigns * adsOfCampaign

/** The table: of each ad its campaign. */
export function* adsOf({ partitions }: Pick<YahooData, 'partitions'>): Generator<DataRecord> {
  for (let ad = 0; ad < adCount; ad += 1) {
    const key = adKeyOf(ad)
    // Before all events.
    yield { key, value: Buffer.from(campaignOf(ad)), partition: partitionOf(key, partitions), timestamp: 1 }
  }
}

interface YahooEvent {
  readonly ad: number
  readonly type: string
  readonly timeMs: number
  readonly value: Buffer
}

/** `timeMs`: of the event of this number. */
export function makerOf(timeMs: (number: number) => number): (number: number) => YahooEvent {
  const random = randomOf(7)
  const below = (count: number): number => Math.floor(random() * count)
  return (number) => {
    const [user, page, ad] = [below(ids), below(ids), below(adCount)]
    const type = eventTypes[below(eventTypes.length)]!
    const event = {
      user_id: idOf(3, user),
      page_id: idOf(4, page),
      ad_id: adOf(ad),
      ad_type: adTypes[below(adTypes.length)],
      event_type: type,
      event_time: String(timeMs(number)),
      ip_address: '1.2.3.4',
    }
    return { ad, type, timeMs: timeMs(number), value: Buffer.from(JSON.stringify(event)) }
  }
}

function* made({ events, fromMs, perSecond }: YahooData): Generator<YahooEvent> {
  const make = makerOf((number) => fromMs + Math.floor((number * 1_000) / perSecond))
  for (let number = 0; number < events; number += 1) yield make(number)
}

export function* eventsOf(data: YahooData): Generator<DataRecord> {
  let number = 0
  for (const { ad, timeMs, value } of made(data)) {
    const key = data.isKeyed ? adKeyOf(ad) : null
    const partition = key === null ? number % data.partitions : partitionOf(key, data.partitions)
    yield { key, value, partition, timestamp: timeMs }
    number += 1
  }
}

/** What comes of them: the views of each campaign and window, by `startMs/campaign`. */
export function viewsOf(data: YahooData): Map<string, number> {
  const views = new Map<string, number>()
  for (const { ad, type, timeMs } of made(data)) {
    if (type !== 'view') continue
    const name = `${Math.floor(timeMs / windowMs) * windowMs}/${campaignOf(ad)}`
    views.set(name, (views.get(name) ?? 0) + 1)
  }
  return views
}
