/**
 * send-header - the header by which a sender says when a message is sent
 *
 * `X-Bounced-Send-At: 2026-12-01T09:00:00+01:00` (RFC 3339), in a submitted mail or among the headers of a request. It never leaves us. A time that has passed
 * means at once, because clocks differ.
 *
 * Pure. See also: compose/rewrite-mime (removes it from a submitted mail), service/submit/submit, queue/schedule/send-time, docs/SENDING.md.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'

/** In lower case. */
export const SEND_AT_HEADER = 'x-bounced-send-at'

const DAY_MS = 86_400_000

/** Bounces are matched for 30 days from the day of acceptance (correlate/trust). A message is retried for four days, and its receiver may bounce it days later. */
export const MAX_SEND_AT_DAYS = 20

const time = z.iso.datetime({ offset: true })

/** The time at which a message is sent; null: at once. Faults: header_invalid. */
export function sendTimeOf(
  headers: Readonly<Record<string, string>>,
  { now, maxDays }: { readonly now: number; readonly maxDays: number },
): number | null {
  const [text, ...others] = Object.entries(headers).flatMap(([name, value]) =>
    name.toLowerCase() === SEND_AT_HEADER ? [value.trim()] : [],
  )
  if (text === undefined) return null
  if (others.length > 0 || !time.safeParse(text).success)
    throw new Fault('header_invalid', 'X-Bounced-Send-At: give one time with its offset, such as 2026-12-01T09:00:00+01:00')
  const at = Date.parse(text)
  if (at > now + maxDays * DAY_MS)
    throw new Fault('header_invalid', `X-Bounced-Send-At: at most ${maxDays} days ahead (submission.sendAtDays)`)
  return at > now ? at : null
}

/** The headers that leave us. */
export const withoutSendHeader = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== SEND_AT_HEADER))
