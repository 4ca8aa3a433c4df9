/**
 * retention - how long what is stored stays, and what files are made of it
 *
 * See also: settings (the whole schema).
 */
import { z } from 'zod'
import { positiveInteger, dayCount, setting } from './setting.ts'

export const retentionSettings = z.strictObject({
  rawDays: setting(dayCount.default(30), 'Days that raw mail is kept', 'long enough to look into a complaint, short enough for privacy'),
  routeDays: setting(
    dayCount.default(7),
    'Days that mail which came for an account at its own domain is kept',
    'longer than the standard ladder of webhooks, with some time to fetch it by hand; it is the account’s mail, not ours',
  ),
  months: setting(
    z
      .int()
      .min(0)
      .refine((months) => months !== 1, 'must be 0, or 2 and more: a report may come 30 days after its mail')
      .default(6),
    'Whole months, before the one that runs, that mails and their facts are kept; 0 is for ever, 2 the least',
    'half a year is what people look back; two months are longer than any report may take. Lists are never retired',
  ),
})

export const exportSettings = z.strictObject({
  days: setting(z.int().min(1).max(366).default(30), 'Longest time that one export spans, in days', 'a month of mails is one file'),
  keepDays: setting(
    dayCount.min(0.01).default(7),
    'Days that an exported file is kept',
    'long enough for a weekend; addresses should lie in few places',
  ),
  perAccount: setting(
    positiveInteger.default(1),
    'Exports of one account that run at once, over all nodes',
    'the second would only make the first slower',
  ),
  waiting: setting(
    positiveInteger.default(20),
    'Exports of one account that wait or run',
    'a day of hourly files; each row is small, but a loop must end',
  ),
  atOnce: setting(positiveInteger.default(2), 'Exports that one node runs at once', 'each takes a share of one core from intake'),
})
