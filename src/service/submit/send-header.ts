/**
 * send-header - the headers by which a sender says when a message is sent, and whether it goes before others
 *
 * `X-Bounced-Send-At: 2026-12-01T09:00:00+01:00` (RFC 3339) and `X-Bounced-Priority: transactional` or `batch`, in a submitted mail or among the headers of a
 * request. They never leave us. A time that has passed means at once, because clocks differ.
 *
 * Pure. See also: compose/rewrite-mime (removes them from a submitted mail), service/submit/submit, queue/schedule/send-time, queue/schedule/mail-class,
 * docs/SENDING.md.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { EmailType } from '../../ledger/facts/delivery-facts.ts'

/** In lower case. */
const SEND_HEADERS = { sendAt: 'x-bounced-send-at', priority: 'x-bounced-priority' } as const

type Headers = Readonly<Record<string, string>>

const DAY_MS = 86_400_000

/** Bounces are matched for 30 days from the day of acceptance (correlate/trust). A message is retried for four days, and its receiver may bounce it days later. */
export const MAX_SEND_AT_DAYS = 20

const time = z.iso.datetime({ offset: true })

/** The names that senders use, and the types that results and reports show. */
const EMAIL_TYPE_OF_PRIORITY: ReadonlyMap<string, EmailType> = new Map([
  ['transactional', 'trigger'],
  ['batch', 'batch'],
])

/** The values of a header. */
const valuesOf = (headers: Headers, name: string): readonly string[] =>
  Object.entries(headers).flatMap(([each, value]) => (each.toLowerCase() === name ? [value.trim()] : []))

/** The time at which a message is sent; null: at once. Faults: header_invalid. */
export function sendTimeOf(headers: Headers, { now, maxDays }: { readonly now: number; readonly maxDays: number }): number | null {
  const [text, ...others] = valuesOf(headers, SEND_HEADERS.sendAt)
  if (text === undefined) return null
  if (others.length > 0 || !time.safeParse(text).success)
    throw new Fault('header_invalid', 'X-Bounced-Send-At: give one time with its offset, such as 2026-12-01T09:00:00+01:00')
  const at = Date.parse(text)
  if (at > now + maxDays * DAY_MS)
    throw new Fault('header_invalid', `X-Bounced-Send-At: at most ${maxDays} days ahead (submission.sendAtDays)`)
  return at > now ? at : null
}

/** The type that a message names; null: as the settings of the account say. Faults: header_invalid. */
export function priorityOf(headers: Headers): EmailType | null {
  const [text, ...others] = valuesOf(headers, SEND_HEADERS.priority)
  if (text === undefined) return null
  const emailType = EMAIL_TYPE_OF_PRIORITY.get(text.toLowerCase())
  if (others.length > 0 || emailType === undefined) throw new Fault('header_invalid', 'X-Bounced-Priority: transactional or batch, once')
  return emailType
}

const NAMES: ReadonlySet<string> = new Set(Object.values(SEND_HEADERS))

/** Whether a header instructs us. `name` in lower case. */
export const isSendHeader = (name: string): boolean => NAMES.has(name)

/** The headers that leave us. */
export const withoutSendHeaders = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !isSendHeader(name.toLowerCase())))
