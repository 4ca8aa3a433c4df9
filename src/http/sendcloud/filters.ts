/**
 * filters - the parameters that many of the vendor's operations share, and how they are read
 *
 * See also: http/sendcloud/parameters (the table's grammar), http/sendcloud/window (days and dates), docs/SENDCLOUD.md.
 */
import { knowDomain } from '../../correlate/address-hash.ts'
import { parseAddress } from '../../mail/mime/address.ts'
import type { Call } from './operation.ts'
import type { VendorCode } from './envelope.ts'
import type { Parameter } from './parameters.ts'
import { readList, readWhole } from './parameters.ts'

/** Three months at their longest. */
export const WINDOW_DAYS = 92

/** An address with a domain; what has none is wrong. */
export function readEmail(text: string): string | null {
  return text.length <= 320 && parseAddress(text) !== null ? text : null
}

/** Some of a kind between semicolons; one that is wrong spoils all. */
function readEach(most: number, read: (part: string) => string | null): (text: string) => readonly string[] | null {
  return (text) => {
    const parts = readList(most)(text)?.map(read) ?? [null]
    return parts.some((part) => part === null) ? null : parts.flatMap((part) => part ?? [])
  }
}

/** No label's name is longer. */
const readLabelName = (text: string): string | null => (text.length <= 128 ? text : null)

function readLabelIds(text: string): readonly number[] | null {
  const parts = readList(100)(text)
  return parts !== null && parts.every((part) => /^\d{1,9}$/.test(part)) ? parts.map(Number) : null
}

export const emailRow = (empty: VendorCode | null): Parameter<string | null> => ({
  names: ['email'],
  empty,
  blank: 40011,
  invalid: 40012,
  read: readEmail,
  absent: null,
})

type Words = Parameter<readonly string[] | null>

export const START: Parameter<number> = {
  names: ['start'],
  empty: null,
  blank: 40001,
  invalid: 40002,
  read: readWhole(0, 999_999_999),
  absent: 0,
}
export const LIMIT: Parameter<number> = {
  names: ['limit'],
  empty: null,
  blank: 40003,
  invalid: 40004,
  read: readWhole(0, 100),
  absent: 100,
}
export const PAGING = { start: START, limit: LIMIT }

export const API_USERS: Words = { names: ['apiUserList'], empty: null, blank: 40010, invalid: 40016, read: readList(100), absent: null }
export const LABEL_IDS: Parameter<readonly number[] | null> = {
  names: ['labelIdList'],
  empty: null,
  blank: 40009,
  invalid: 40015,
  read: readLabelIds,
  absent: null,
}
/** The vendor has no code of its own for names. */
export const LABEL_NAMES: Words = {
  names: ['labelNameList'],
  empty: null,
  invalid: 40015,
  read: readEach(100, readLabelName),
  absent: null,
}
export const LABEL_ID: Parameter<number | null> = {
  names: ['labelId'],
  empty: null,
  blank: 40014,
  invalid: 40015,
  read: readWhole(0, 999_999_999),
  absent: null,
}
export const LABEL_NAME: Parameter<string | null> = {
  names: ['labelName'],
  empty: null,
  invalid: 40015,
  read: readLabelName,
  absent: null,
}
/** A domain that is none is refused by the code of an empty list: there is no other. */
export const DOMAINS: Words = {
  names: ['domainList'],
  empty: null,
  blank: 40013,
  invalid: 40013,
  read: readEach(100, knowDomain),
  absent: null,
}

/** Addresses and domains that a call names, at most a hundred of each. */
export const EMAILS: Words = { names: ['email'], empty: null, invalid: 40012, read: readEach(100, readEmail), absent: null }
export const DOMAIN_NAMES: Words = { names: ['domainName'], empty: null, invalid: 40013, read: readEach(100, knowDomain), absent: null }

/** Numbers of labels that a call asks for: by number, or by parts of their names; null: it asks for none. */
export async function labelsAsked(
  { desk, by }: Call,
  asked: { readonly labelIds: readonly number[] | null; readonly labelNames: readonly string[] | null },
): Promise<readonly number[] | null> {
  if (asked.labelIds !== null || asked.labelNames === null) return asked.labelIds
  return desk.statistics.labelsLike(by.account, asked.labelNames)
}
