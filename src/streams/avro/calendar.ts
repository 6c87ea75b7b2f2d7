/** Days and times of no time zone as text, and back, without a Date between: it ends at the year 275,760, and has no microseconds. */

const DAY_MS = 86_400_000n

/** Days since 1970 → `2026-11-30`. Years beyond 9999 and before 0 have a sign and six digits, as ISO 8601 and Date have them. */
export function dayText(days: number): string {
  // The civil calendar from a count of days, with years that begin in March: the leap day is the last of a year.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${yearText(year)}-${digits(month, 2)}-${digits(day, 2)}`
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return digits(year, 4)
  return `${year < 0 ? '-' : '+'}${digits(Math.abs(year), 6)}`
}

function digits(value: number | bigint, length: number): string {
  return String(value).padStart(length, '0')
}

/** `2026-11-30` → days since 1970. undefined: it is no day. */
export function daysOf(text: string): number | undefined {
  const parts = /^([+-]\d{6,7}|\d{4})-(\d\d)-(\d\d)$/.exec(text)
  if (parts === null) return undefined
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  const days = era * 146_097 + dayOfEra - 719_468
  // The 30th of February is some other day.
  return dayText(days) === text ? days : undefined
}

/** A count of fractions of a second since 1970, `places` digits each → `2026-11-30T12:00:00.000`. */
export function localText(count: bigint, places: 3 | 6 | 9): string {
  const perDay = DAY_MS * 10n ** BigInt(places - 3)
  // Rounds down before 1970, too.
  const within = ((count % perDay) + perDay) % perDay
  const days = Number((count - within) / perDay)
  const perSecond = 10n ** BigInt(places)
  const second = Number(within / perSecond)
  const time = [Math.floor(second / 3600), Math.floor(second / 60) % 60, second % 60].map((part) => digits(part, 2))
  return `${dayText(days)}T${time.join(':')}.${digits(within % perSecond, places)}`
}

/** The other way. undefined: it is no such time, or has more digits than `places`. Digits that are left out are zeros. */
export function localCount(text: string, places: 3 | 6 | 9): bigint | undefined {
  const parts = /^([^T]+)T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?$/.exec(text)
  if (parts === null) return undefined
  const [, day = '', hour, minute, second = '0', fraction = ''] = parts
  const days = daysOf(day)
  if (days === undefined || !/^0*$/.test(fraction.slice(places))) return undefined
  const seconds = BigInt(days) * 86_400n + BigInt(Number(hour) * 3600 + Number(minute) * 60 + Number(second))
  return seconds * 10n ** BigInt(places) + BigInt(fraction.slice(0, places).padEnd(places, '0'))
}
