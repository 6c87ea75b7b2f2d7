import { expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import { geoFile, openGeo } from './geo.ts'

const geo = openGeo(readFileSync(geoFile))

test.each([
  ['8.8.8.8', 'US'],
  ['::ffff:8.8.8.8', 'US'],
  ['2001:4860:4860::8888', 'US'],
  ['81.2.69.160', 'GB'],
])('%s is in %s', (address, country) => {
  expect(geo.isAddress(address)).toBe(true)
  expect(geo.country(address)).toBe(country)
})

test.each([
  '10.0.0.1',
  '192.168.1.1',
  '127.0.0.1',
  '169.254.1.1',
  '100.64.0.1',
  '224.0.0.1',
  '0.0.0.0',
  '255.255.255.255',
  '::',
  '::1',
  'fe80::1',
  'fd00::1',
  '2001:db8::1',
  'ff02::1',
])('%s is an address in no country', (address) => {
  expect(geo.isAddress(address)).toBe(true)
  expect(geo.country(address)).toBeUndefined()
})

test.each(['', 'localhost', '300.1.2.3', '1.2.3', '01.2.3.4', '1.2.3.4 ', ':::', 'fe80::1%eth0', '1.2.3.4/8'])(
  '%j is no address',
  (text) => {
    expect(geo.isAddress(text)).toBe(false)
  },
)
