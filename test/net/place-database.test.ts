/**
 * place-database.test - countries from the shipped file, cities from an operator's file, files that are replaced, and files that are not databases
 */
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createPlaceLookup } from '../../src/net/place-database.ts'
import { mmdb } from '../support/mmdb.ts'

const SHIPPED = fileURLToPath(import.meta.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'))
const UNKNOWN = { country: null, region: null, city: null }
const MUNICH = {
  country: { iso_code: 'DE', names: { en: 'Germany' } },
  subdivisions: [{ iso_code: 'BY', names: { en: 'Bavaria', de: 'Bayern' } }],
  city: { names: { en: 'Munich', de: 'München' } },
}

let folder = ''
let now = 0
const events: string[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bounced-places-'))
  now = 1_000_000
  events.length = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string): string => join(folder, name)
const lookup = (countryFile: string | null, cityFile: string | null) =>
  createPlaceLookup({
    countryFile,
    cityFile,
    now: () => now,
    onRead: (_, databaseType) => events.push(databaseType),
    onFault: (_, error) => events.push(error instanceof Error ? error.constructor.name : 'unknown'),
  })
/** A file has another time, whatever the resolution of the file system's clock. */
const touch = (path: string, seconds: number): void => utimesSync(path, seconds, seconds)

test('the shipped database gives the country of IPv4, IPv6 and mapped addresses, and nothing before it is read', async () => {
  const places = lookup(null, null)
  expect(places.find('8.8.8.8')).toEqual(UNKNOWN)
  await places.check()
  expect(events).toEqual([])
  await places.refresh()
  expect(events).toHaveLength(1)
  for (const ip of ['8.8.8.8', '::ffff:8.8.8.8', '2001:4860:4860::8888']) expect(places.find(ip)).toEqual({ ...UNKNOWN, country: 'US' })
  for (const ip of ['192.0.2.1', '127.0.0.1', '::1', 'not an address', '']) expect(places.find(ip)).toEqual(UNKNOWN)
})

test.each([
  ['nested names', MUNICH, { country: 'DE', region: 'Bavaria', city: 'Munich' }],
  ['flat names', { country_code: 'DE', state1: 'Bavaria', city: 'Munich' }, { country: 'DE', region: 'Bavaria', city: 'Munich' }],
  ['a country alone', { country: { iso_code: 'DE' } }, { country: 'DE', region: null, city: null }],
  ['members of another form', { country: { iso_code: 'DE' }, city: 7, subdivisions: 'x' }, { country: 'DE', region: null, city: null }],
  ['very long names', { country_code: 'DE', city: 'x'.repeat(5_000) }, { country: 'DE', region: null, city: 'x'.repeat(100) }],
] as const)('a city database with %s', async (_, record, expected) => {
  writeFileSync(file('city.mmdb'), mmdb(record))
  const places = lookup(null, file('city.mmdb'))
  await places.check()
  expect(places.find('198.51.100.7')).toEqual(expected)
})

test('an address that the city database does not know has the country of the other', async () => {
  writeFileSync(file('city.mmdb'), mmdb({ city: 'nowhere' }))
  const places = lookup(null, file('city.mmdb'))
  await places.refresh()
  expect(places.find('8.8.8.8')).toEqual({ ...UNKNOWN, country: 'US' })
})

test('a file that is replaced is read within a minute; a bad one is reported, and the last good one stays', async () => {
  const path = file('country.mmdb')
  writeFileSync(path, mmdb({ country_code: 'DE' }))
  touch(path, 1_000)
  const places = lookup(path, null)
  await places.refresh()
  const country = async (): Promise<string | null> => {
    await places.refresh()
    return places.find('198.51.100.7').country
  }
  expect(await country()).toBe('DE')
  writeFileSync(path, mmdb({ country_code: 'FR' }))
  touch(path, 2_000)
  now += 59_999
  expect(await country()).toBe('DE')
  now += 1
  expect(await country()).toBe('FR')
  writeFileSync(path, 'not a database')
  touch(path, 3_000)
  now += 60_000
  expect([await country(), events.at(-1)]).toEqual(['FR', 'Error'])
  rmSync(path)
  now += 60_000
  expect(await country()).toBe('FR')
  expect(events).toHaveLength(4)
  writeFileSync(path, mmdb({ country_code: 'IT' }))
  touch(path, 4_000)
  now += 60_000
  expect(await country()).toBe('IT')
})

test.each([
  ['tracking.cityDatabase', 'is missing', (): undefined => undefined],
  ['tracking.cityDatabase', 'is empty', (path: string) => writeFileSync(path, '')],
  ['tracking.countryDatabase', 'is text', (path: string) => writeFileSync(path, 'network,country\n')],
  ['tracking.countryDatabase', 'has lost its end', (path: string) => writeFileSync(path, readFileSync(SHIPPED).subarray(0, 100_000))],
  ['tracking.cityDatabase', 'has lost its start', (path: string) => writeFileSync(path, readFileSync(SHIPPED).subarray(-100_000))],
] as const)('%s that %s stops the start', async (setting, _, write) => {
  const path = file('bad.mmdb')
  write(path)
  const places = setting === 'tracking.cityDatabase' ? lookup(null, path) : lookup(path, null)
  await expect(places.check()).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringMatching(`^${setting}:? .*${path}`) })
})

test('a damaged database gives a place or none for any address, and never throws', async () => {
  const whole = readFileSync(SHIPPED)
  const path = file('damaged.mmdb')
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.ipV4(), fc.ipV6(), async (at, v4, v6) => {
      const bytes = Buffer.from(whole)
      bytes.fill(0xa5, at, Math.min(at + 4_096, bytes.length))
      writeFileSync(path, bytes)
      const places = lookup(path, null)
      await places.refresh()
      for (const ip of [v4, v6]) expect(Object.keys(places.find(ip))).toEqual(['country', 'region', 'city'])
    }),
    { numRuns: 15 },
  )
})
