/**
 * filters - the parameters that many of the vendor's operations share, and how they are read
 *
 * See also: http/sendcloud/parameters (the table's grammar), http/sendcloud/window (days and dates), docs/SENDCLOUD.md.
 */
import { normaliseDomain } from '../../correlate/address-hash.ts'
import { parseAddress } from '../../mail/mime/address.ts'
import type { SendCloudOperationContext } from './operation.ts'
import type { SendCloudCode } from './envelope.ts'
import type { Parameter } from './parameters.ts'
import { readList, readWhole } from './parameters.ts'

/** Three months at their longest. */
export const MAX_WINDOW_DAYS = 92

/** An address with a domain; what has none is wrong. */
export function readEmail(text: string): string | null {
  return text.length <= 320 && parseAddress(text) !== null ? text : null
}

/** Some of a kind between semicolons; one that is wrong spoils all. */
function readListOf(maxCount: number, read: (part: string) => string | null): (text: string) => readonly string[] | null {
  return (text) => {
    const parts = readList(maxCount)(text)?.map(read) ?? [null]
    return parts.some((part) => part === null) ? null : parts.flatMap((part) => part ?? [])
  }
}

/** No label's name is longer. */
const readLabelName = (text: string): string | null => (text.length <= 128 ? text : null)

function readLabelIds(text: string): readonly number[] | null {
  const parts = readList(100)(text)
  return parts !== null && parts.every((part) => /^\d{1,9}$/.test(part)) ? parts.map(Number) : null
}

export const createEmailParameter = (empty: SendCloudCode | null): Parameter<string | null> => ({
  names: ['email'],
  missingCode: empty,
  blankCode: 40011,
  invalidCode: 40012,
  read: readEmail,
  defaultValue: null,
})

type TextListParameter = Parameter<readonly string[] | null>

export const START: Parameter<number> = {
  names: ['start'],
  missingCode: null,
  blankCode: 40001,
  invalidCode: 40002,
  read: readWhole(0, 999_999_999),
  defaultValue: 0,
}
export const LIMIT: Parameter<number> = {
  names: ['limit'],
  missingCode: null,
  blankCode: 40003,
  invalidCode: 40004,
  read: readWhole(0, 100),
  defaultValue: 100,
}
export const SENDCLOUD_PAGING = { start: START, limit: LIMIT }

export const API_USERS: TextListParameter = {
  names: ['apiUserList'],
  missingCode: null,
  blankCode: 40010,
  invalidCode: 40016,
  read: readList(100),
  defaultValue: null,
}
export const LABEL_IDS: Parameter<readonly number[] | null> = {
  names: ['labelIdList'],
  missingCode: null,
  blankCode: 40009,
  invalidCode: 40015,
  read: readLabelIds,
  defaultValue: null,
}
/** The vendor has no code of its own for names. */
export const LABEL_NAMES: TextListParameter = {
  names: ['labelNameList'],
  missingCode: null,
  invalidCode: 40015,
  read: readListOf(100, readLabelName),
  defaultValue: null,
}
export const LABEL_ID: Parameter<number | null> = {
  names: ['labelId'],
  missingCode: null,
  blankCode: 40014,
  invalidCode: 40015,
  read: readWhole(0, 999_999_999),
  defaultValue: null,
}
export const LABEL_NAME: Parameter<string | null> = {
  names: ['labelName'],
  missingCode: null,
  invalidCode: 40015,
  read: readLabelName,
  defaultValue: null,
}
/** A domain that is none is refused by the code of an empty list: there is no other. */
export const DOMAINS: TextListParameter = {
  names: ['domainList'],
  missingCode: null,
  blankCode: 40013,
  invalidCode: 40013,
  read: readListOf(100, normaliseDomain),
  defaultValue: null,
}

/** Addresses and domains that a call names, at most a hundred of each. */
export const EMAILS: TextListParameter = {
  names: ['email'],
  missingCode: null,
  invalidCode: 40012,
  read: readListOf(100, readEmail),
  defaultValue: null,
}
export const DOMAIN_NAMES: TextListParameter = {
  names: ['domainName'],
  missingCode: null,
  invalidCode: 40013,
  read: readListOf(100, normaliseDomain),
  defaultValue: null,
}

/** Numbers of labels that a call asks for: by number, or by parts of their names; null: it asks for none. */
export async function resolveLabelIds(
  { services, caller }: SendCloudOperationContext,
  filters: { readonly labelIds: readonly number[] | null; readonly labelNames: readonly string[] | null },
): Promise<readonly number[] | null> {
  if (filters.labelIds !== null || filters.labelNames === null) return filters.labelIds
  return services.statistics.findLabelIds(caller.account, filters.labelNames)
}
