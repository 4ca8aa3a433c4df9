/**
 * filters - the parameters that many SendCloud operations share
 *
 * See also: http/sendcloud/parameters (the format of the tables), http/sendcloud/window (days and dates), docs/SENDCLOUD.md.
 */
import { normaliseDomain } from '../../correlate/address-hash.ts'
import { parseAddress } from '../../mail/mime/address.ts'
import type { StatisticsService } from '../services/statistics.ts'
import type { SendCloudOperationContext } from './operation.ts'
import type { SendCloudCode } from './envelope.ts'
import type { Parameter } from './parameters.ts'
import { readList, readWhole } from './parameters.ts'

/** The longest three consecutive months. */
export const MAX_WINDOW_DAYS = 92

/** Reads an address with a domain; null if the text is not one. */
export function readEmail(text: string): string | null {
  return text.length <= 320 && parseAddress(text) !== null ? text : null
}

/** Reads values separated by semicolons; null if one of them is invalid. */
function readListOf(maxCount: number, read: (part: string) => string | null): (text: string) => readonly string[] | null {
  return (text) => {
    const parts = readList(maxCount)(text)?.map(read) ?? [null]
    return parts.some((part) => part === null) ? null : parts.flatMap((part) => part ?? [])
  }
}

/** 128 characters is the longest label name. */
const readLabelName = (text: string): string | null => (text.length <= 128 ? text : null)

function readLabelIds(text: string): readonly number[] | null {
  const parts = readList(100)(text)
  return parts !== null && parts.every((part) => /^\d{1,9}$/.test(part)) ? parts.map(Number) : null
}

export const createEmailParameter = (missingCode: SendCloudCode | null): Parameter<string | null> => ({
  names: ['email'],
  missingCode,
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
/** SendCloud has no code for label names. */
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
/** SendCloud has no code for an invalid domain, so the code of an empty list is used. */
export const DOMAINS: TextListParameter = {
  names: ['domainList'],
  missingCode: null,
  blankCode: 40013,
  invalidCode: 40013,
  read: readListOf(100, normaliseDomain),
  defaultValue: null,
}

/** The addresses and domains that a request names, at most 100 of each. */
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

/** The label IDs that a request filters by, given as IDs or as parts of label names; null for no filter. */
export async function resolveLabelIds(
  { services, caller }: SendCloudOperationContext<{ readonly statistics: Pick<StatisticsService, 'findLabelIds'> }>,
  filters: { readonly labelIds: readonly number[] | null; readonly labelNames: readonly string[] | null },
): Promise<readonly number[] | null> {
  if (filters.labelIds !== null || filters.labelNames === null) return filters.labelIds
  return services.statistics.findLabelIds(caller.account, filters.labelNames)
}
