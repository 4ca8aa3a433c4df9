/**
 * zone - a DNS zone for tests
 *
 * A key is `TYPE name`; a value is the records in the shape of net/dns, or the code of a failure. A name with records of other types only gives
 * ENODATA, an unknown name ENOTFOUND.
 */
import type { DnsLookup } from '../../src/net/dns.ts'

export type Zone = Readonly<Record<string, string | readonly string[] | readonly (readonly string[])[]>>

export function createZoneLookUp(zone: Zone): DnsLookup {
  const names = new Set(Object.keys(zone).map((key) => key.split(' ')[1]))
  return async (name, type) => {
    const records = zone[`${type} ${name.toLowerCase()}`]
    if (typeof records === 'string') throw failure(records)
    if (records === undefined) throw failure(names.has(name.toLowerCase()) ? 'ENODATA' : 'ENOTFOUND')
    return records.every((each) => typeof each === 'string') ? [...records] : records.map((each) => [...each])
  }
}

const failure = (code: string): Error => Object.assign(new Error(code), { code })
