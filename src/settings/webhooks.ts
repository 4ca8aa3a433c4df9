/**
 * webhooks - settings of what leaves for the accounts' own servers: webhooks, mail that came for them, and alerts
 *
 * See also: settings (the whole schema), service/notify/notifier.
 */
import { z } from 'zod'
import { parseThresholdChange } from '../ledger/alert/alert-rules.ts'
import { positiveInteger, dayCount, setting, nonEmptyText } from './setting.ts'

export const webhookSettings = z.strictObject({
  allowPrivate: setting(
    z.boolean().default(false),
    'Let webhooks reach private, loopback and link-local addresses',
    'whoever may add an endpoint could otherwise talk to your inner network',
  ),
  allowHosts: setting(
    z.array(nonEmptyText).default([]),
    'Hosts that webhooks may reach though they are private (names or addresses, as in the URL)',
    'none: name the one receiver of your own network instead of opening all of it',
  ),
  replayWhenWell: setting(
    z.boolean().default(true),
    'Send webhooks that have failed once more when their endpoint answers again',
    'an outage then loses nothing; complaints and unsubscribes go first',
  ),
  recordDays: setting(
    dayCount.default(7),
    'Days that what was sent to an endpoint and what it answered can be looked up and sent again; 0: nothing is written down',
    'longer than the standard ladder and a weekend; each event costs a row',
  ),
  recordTries: setting(
    z.int().min(1).max(100).default(20),
    'Attempts of one event whose answers are kept: the last',
    'the standard ladder has thirteen; replays add some',
  ),
})

export const forwardSettings = z.strictObject({
  domains: setting(
    z.array(nonEmptyText).default([]),
    'Domains whose mail is an account’s own, as domain or domain=apiUser, given at the start; their MX points here',
    'none: an operator gives domains to accounts (bounced route add)',
  ),
  linkHours: setting(
    positiveInteger.default(72),
    'Hours that the link to a routed mail’s raw text is good; each attempt carries a new one',
    'a receiver that keeps its events over a weekend still fetches',
  ),
  rawBytes: setting(
    z.int().min(0).default(1_048_576),
    'Bytes of the largest routed mail that goes along whole in raw_message; a larger one is fetched by raw_message_url',
    'most receivers refuse bodies above a few megabytes, and a form makes three bytes of one',
  ),
})

export const alertSettings = z.strictObject({
  rules: setting(
    z
      .array(nonEmptyText.refine((rule) => parseThresholdChange(rule) !== null, 'must be alert=raise/clear/minimum or alert=off'))
      .default([]),
    'Thresholds that differ from the table, like bounce-rate=0.08/0.04/500 or complaint-rate=off; an account may change its own',
    'none: the table’s, which bounced alerts rules prints',
  ),
  account: setting(
    nonEmptyText.optional(),
    'apiUser of the account whose webhooks hear of the installation’s alerts; "none": nobody’s',
    'the first account: it is the operator’s own, or the only one',
  ),
  smtp: setting(
    z
      .string()
      .regex(/^smtps?:\/\//, 'must begin with smtp:// or smtps://')
      .optional(),
    'Smart host that alerts are mailed through, like smtp://USER:PASSWORD@HOST:587',
    'none: webhooks, log and metrics only',
    true,
  ),
  mailTo: setting(
    z.array(z.email()).default([]),
    'Who is mailed of every alert',
    'nobody until told; an account names its own in alertEmails',
  ),
  mailFrom: setting(z.email().optional(), 'From of the mails', 'alerts@ at the Return-Path domain; the envelope has no sender'),
})
