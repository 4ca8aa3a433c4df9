/**
 * place-database - country, region and city of an IP address, from MMDB files
 *
 * A country database is part of the installation and is read at its first use; the operator's own files are checked at the start. A file that
 * was replaced is read again within a minute of the next request; one that cannot be read is reported, and the last good one stays in use.
 *
 * See also: settings/tracking, service/track/commit-engagement, docs/TRACKING.md.
 */
import { readFile, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Reader } from 'mmdb-lib'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { Fault } from '../errors.ts'
import { fileFault, isSystemError } from '../file-fault.ts'

/** `country` is an ISO 3166-1 code. Null: not known. */
type Place = { readonly country: string | null; readonly region: string | null; readonly city: string | null }

export type PlaceLookup = {
  /** Reads the operator's files. Fault: config_invalid, which names the setting. */
  readonly check: () => Promise<void>
  /** Reads files that are new or were replaced; asks the file system once a minute at most. Never rejects. */
  readonly refresh: () => Promise<void>
  /** Total. Knows no place before the first `refresh`. */
  readonly find: (ip: string) => Place
}

type PlaceFiles = {
  /** Null: the country database that is part of the installation. */
  readonly countryFile: string | null
  /** Null: region and city stay unknown. */
  readonly cityFile: string | null
  readonly now: () => number
  readonly onRead: (file: string, databaseType: string) => void
  readonly onFault: (file: string, error: unknown) => void
}

const CHECK_INTERVAL_MS = 60_000
const MAX_NAME = 100

const name = z.string().transform((text) => text.slice(0, MAX_NAME))
const named = z.object({ names: z.object({ en: name }) })

/** The forms of MaxMind and DB-IP, and the flat one of ip-location-db. Members that are missing or in another form are not known. */
const recordSchema = z.object({
  country: z.object({ iso_code: name }).optional().catch(undefined),
  country_code: name.optional().catch(undefined),
  subdivisions: z.array(named).optional().catch(undefined),
  state1: name.optional().catch(undefined),
  city: z.union([named, name]).optional().catch(undefined),
})

type Database = { readonly file: string; readonly setting: string | null; reader: Reader<object> | null; changedAt: number }

/** Creates the lookup. Reads nothing until the first `refresh` or `check`. */
export function createPlaceLookup({ countryFile, cityFile, now, onRead, onFault }: PlaceFiles): PlaceLookup {
  const databases = databasesOf(countryFile, cityFile)
  let checkedAt = -Infinity
  let refreshing = Promise.resolve()
  const readChanged = async (database: Database): Promise<void> => {
    const { mtimeMs } = await stat(database.file)
    if (mtimeMs === database.changedAt) return
    // A file that cannot be read is tried again when it changes.
    database.changedAt = mtimeMs
    const reader = await readDatabase(database.file)
    database.reader = reader
    onRead(database.file, reader.metadata.databaseType)
  }
  return {
    check: async () => {
      for (const database of databases.filter(({ setting }) => setting !== null))
        await readChanged(database).catch((error: unknown) => Promise.reject(unreadable(database, error)))
    },
    refresh: () => {
      if (now() - checkedAt < CHECK_INTERVAL_MS) return refreshing
      checkedAt = now()
      const reads = databases.map((database) => readChanged(database).catch((error: unknown) => onFault(database.file, error)))
      refreshing = Promise.all(reads).then(() => undefined)
      return refreshing
    },
    find: (ip) => mergePlaces(databases.map(({ reader }) => readPlace(reader, ip))),
  }
}

/** The first that knows an address decides. */
function databasesOf(countryFile: string | null, cityFile: string | null): readonly Database[] {
  const city = cityFile === null ? [] : [{ file: cityFile, setting: 'tracking.cityDatabase' }]
  const shipped = countryFile === null ? findShippedFile() : null
  const country = countryFile === null ? [] : [{ file: countryFile, setting: 'tracking.countryDatabase' }]
  return [...city, ...country, ...(shipped === null ? [] : [{ file: shipped, setting: null }])].map((each): Database => ({
    ...each,
    reader: null,
    changedAt: 0,
  }))
}

async function readDatabase(file: string): Promise<Reader<object>> {
  const { Reader } = await import('mmdb-lib')
  const reader = new Reader<object>(await readFile(file))
  // A file that was cut at its start has metadata, but its addresses lead nowhere.
  for (const ip of ['192.0.2.1', '2001:db8::1'].slice(0, reader.metadata.ipVersion === 6 ? 2 : 1)) reader.get(ip)
  return reader
}

function unreadable({ file, setting }: Database, cause: unknown): Fault {
  if (isSystemError(cause))
    return fileFault({ what: setting ?? 'the file', path: file, remedy: 'name another file, or remove the setting' }, cause)
  const why = cause instanceof Error ? cause.message : String(cause)
  const text = `${setting}: ${file} is not an MMDB file that can be read (${why}); name another file, or remove the setting`
  return new Fault('config_invalid', text, { cause, detail: { file } })
}

/** The database of the installation, or null if that was made without its optional packages. */
function findShippedFile(): string | null {
  try {
    return fileURLToPath(import.meta.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'))
  } catch {
    return null
  }
}

const UNKNOWN_PLACE: Place = { country: null, region: null, city: null }

/** A damaged file may make the reader throw at any address. */
function readPlace(reader: Reader<object> | null, ip: string): Place {
  if (reader === null || !ipaddr.isValid(ip)) return UNKNOWN_PLACE
  try {
    const record = recordSchema.safeParse(reader.get(ipaddr.process(ip).toString()))
    if (!record.success) return UNKNOWN_PLACE
    const { country, country_code: code, subdivisions, state1, city } = record.data
    return {
      country: country?.iso_code ?? code ?? null,
      region: subdivisions?.[0]?.names.en ?? state1 ?? null,
      city: (typeof city === 'object' ? city.names.en : city) ?? null,
    }
  } catch {
    return UNKNOWN_PLACE
  }
}

/** The first database that knows the country decides: region and city belong to it. */
const mergePlaces = (places: readonly Place[]): Place => places.find(({ country }) => country !== null) ?? UNKNOWN_PLACE
