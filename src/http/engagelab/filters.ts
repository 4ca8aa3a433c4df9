/**
 * filters - the parameters of the EngageLab API: those of the SendCloud API under EngageLab's names
 *
 * See also: http/sendcloud/filters (reads them).
 */
import { normaliseDomain } from '../../correlate/address-hash.ts'
import { API_USERS, EMAILS, createEmailParameter, LABEL_ID, LIMIT, readEmail, START, MAX_WINDOW_DAYS } from '../sendcloud/filters.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readList, readParameters } from '../sendcloud/parameters.ts'
import type { DayRange } from '../sendcloud/zoned-time.ts'
import { readWindow } from '../sendcloud/window.ts'
import type { EngageLabOperationContext, EngageLabRefusal } from './operation.ts'

export const ENGAGELAB_PAGING = { offset: { ...START, names: ['offset'] }, limit: LIMIT } as const
export const ENGAGELAB_EMAIL = createEmailParameter(null)
export const ENGAGELAB_EMAILS: typeof EMAILS = { ...EMAILS, names: ['email', 'emails'] }
export const ENGAGELAB_API_USERS: typeof API_USERS = { ...API_USERS, names: ['api_user', 'api_users'] }
export const ENGAGELAB_LABEL_ID: typeof LABEL_ID = { ...LABEL_ID, names: ['label_id'] }

/** An API user, or '' for `all`. */
export const ENGAGELAB_SCOPE: Parameter<string | null> = {
  names: ['api_user'],
  missingCode: null,
  invalidCode: 40016,
  read: (text) => (/^all$/i.test(text) ? '' : /^[\w.@-]{1,64}$/.test(text) ? text : null),
  defaultValue: null,
}

type EntryTargets = { readonly emails: readonly string[]; readonly domains: readonly string[] }

/** One or more addresses (with an @) and domains. */
export const ENGAGELAB_EMAIL_OR_DOMAIN: Parameter<EntryTargets | null> = {
  names: ['email_or_domain'],
  missingCode: null,
  blankCode: 40011,
  invalidCode: 40012,
  read: readEntryTargets,
  defaultValue: null,
}

function readEntryTargets(text: string): EntryTargets | null {
  const parts = readList(100)(text.replaceAll(',', ';')) ?? []
  const emails = parts.filter((part) => part.includes('@'))
  const domains = parts.filter((part) => !part.includes('@'))
  const isValid =
    parts.length > 0 && emails.every((part) => readEmail(part) !== null) && domains.every((part) => normaliseDomain(part) !== null)
  return isValid ? { emails, domains } : null
}

/** Reads `start_date` and `end_date`, at most three months apart; `span` is null if the request sets neither. */
export function readEngageLabWindow({
  parameters,
  settings,
  now,
}: EngageLabOperationContext): { readonly span: DayRange | null } | EngageLabRefusal {
  const dates = new Map([...parameters].filter(([name]) => name === 'start_date' || name === 'end_date'))
  const read = readWindow(dates, { maxDays: MAX_WINDOW_DAYS, zone: settings.zone, now })
  return read.ok ? { span: read.range } : { code: read.code }
}

/** Reads `offset` and `limit`. */
export function readEngageLabPaging({
  parameters,
}: EngageLabOperationContext): { readonly offset: number; readonly limit: number } | EngageLabRefusal {
  const read = readParameters(ENGAGELAB_PAGING, parameters)
  return read.ok ? read.values : { code: read.code }
}
