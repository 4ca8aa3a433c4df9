/**
 * filters - the parameters of EngageLab's face: the sister face's rows under this one's names
 *
 * See also: http/sendcloud/filters (how they are read).
 */
import { knowDomain } from '../../correlate/address-hash.ts'
import { API_USERS, EMAILS, emailRow, LABEL_ID, LIMIT, readEmail, START, WINDOW_DAYS } from '../sendcloud/filters.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readList, readParameters } from '../sendcloud/parameters.ts'
import type { Span } from '../sendcloud/zoned-time.ts'
import { readWindow } from '../sendcloud/window.ts'
import type { Call, Refused } from './operation.ts'

export const PAGING = { offset: { ...START, names: ['offset'] }, limit: LIMIT } as const
export const EMAIL = emailRow(null)
export const EMAIL_LIST: typeof EMAILS = { ...EMAILS, names: ['email', 'emails'] }
export const USERS: typeof API_USERS = { ...API_USERS, names: ['api_user', 'api_users'] }
export const LABEL: typeof LABEL_ID = { ...LABEL_ID, names: ['label_id'] }

/** An API user, or '' for `all`. */
export const SCOPE: Parameter<string | null> = {
  names: ['api_user'],
  empty: null,
  invalid: 40016,
  read: (text) => (/^all$/i.test(text) ? '' : /^[\w.@-]{1,64}$/.test(text) ? text : null),
  absent: null,
}

export type Targets = { readonly emails: readonly string[]; readonly domains: readonly string[] }

/** Addresses (those with an @) and domains, one or many. */
export const EMAIL_OR_DOMAIN: Parameter<Targets | null> = {
  names: ['email_or_domain'],
  empty: null,
  blank: 40011,
  invalid: 40012,
  read: readTargets,
  absent: null,
}

function readTargets(text: string): Targets | null {
  const parts = readList(100)(text.replaceAll(',', ';')) ?? []
  const emails = parts.filter((part) => part.includes('@'))
  const domains = parts.filter((part) => !part.includes('@'))
  const isGood = parts.length > 0 && emails.every((part) => readEmail(part) !== null) && domains.every((part) => knowDomain(part) !== null)
  return isGood ? { emails, domains } : null
}

/** The window of a request (`start_date`, `end_date`), at most three months; null: it names none. */
export function windowOf({ bag, settings, now }: Call): { readonly span: Span | null } | Refused {
  const dates = new Map([...bag].filter(([name]) => name === 'start_date' || name === 'end_date'))
  const read = readWindow(dates, { mostDays: WINDOW_DAYS, zone: settings.zone, now })
  return read.ok ? { span: read.span } : { code: read.code }
}

/** Offset and limit. */
export function pageOf({ bag }: Call): { readonly offset: number; readonly limit: number } | Refused {
  const read = readParameters(PAGING, bag)
  return read.ok ? read.values : { code: read.code }
}
