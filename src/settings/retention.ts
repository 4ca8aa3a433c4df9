/**
 * retention - settings of retention and of exports
 *
 * See also: settings/schema (all settings), docs/RETENTION.md, docs/EXPORTS.md.
 */
import { z } from 'zod'
import { positiveInteger, dayCount, setting } from './setting.ts'

export const retentionSettings = z.strictObject({
  rawDays: setting(dayCount.default(30), 'Days that raw mail is kept', 'long enough to investigate a complaint, short enough for privacy'),
  routeDays: setting(
    dayCount.default(7),
    'Days that inbound mail of an account is kept',
    'longer than the standard retry schedule of webhooks, with time to fetch a mail by hand',
  ),
  months: setting(
    z
      .int()
      .min(0)
      .refine((months) => months !== 1, 'must be 0, or at least 2: a report may arrive 30 days after its mail')
      .default(6),
    'Whole months before the current one for which mails and their facts are kept; 0: forever, otherwise at least 2',
    'half a year covers the usual questions about past mail; lists are kept forever',
  ),
})

export const exportSettings = z.strictObject({
  days: setting(z.int().min(1).max(366).default(30), 'Longest period of one export, in days', 'one file holds a month of mails'),
  keepDays: setting(
    dayCount.min(0.01).default(7),
    'Days that the file of an export is kept',
    'longer than a weekend, and short, because the file holds addresses',
  ),
  perAccount: setting(
    positiveInteger.default(1),
    'Exports of one account that run simultaneously on all nodes',
    'a second one would only slow down the first',
  ),
  waiting: setting(
    positiveInteger.default(20),
    'Exports of one account that are queued or running',
    'nearly a day of hourly exports; also stops a client that requests exports in a loop',
  ),
  atOnce: setting(positiveInteger.default(2), 'Exports that one node runs simultaneously', 'each takes CPU time from receiving mail'),
})
