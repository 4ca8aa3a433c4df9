/**
 * outbound - settings of everything sent to the servers of accounts: webhooks, inbound mail and alerts
 *
 * See also: settings/schema (all settings), daemon/outbound-services, service/notify/notifier.
 */
import { z } from 'zod'
import { parseThresholdChange } from '../ledger/alert/alert-rules.ts'
import { positiveInteger, dayCount, setting, nonEmptyText } from './setting.ts'

export const webhookSettings = z.strictObject({
  allowPrivate: setting(
    z.boolean().default(false),
    'Allow webhooks to private, loopback and link-local addresses',
    'false: anyone who may add an endpoint could send requests into your internal network',
  ),
  allowHosts: setting(
    z.array(nonEmptyText).default([]),
    'Private hosts that webhooks may reach (names or addresses, as in the URL)',
    'none; list single hosts instead of setting webhooks.allowPrivate',
  ),
  replayWhenWell: setting(
    z.boolean().default(true),
    'Send failed webhooks again when their endpoint recovers',
    'true: an outage of the endpoint loses no event; complaints and unsubscribes are sent first',
  ),
  recordDays: setting(
    dayCount.default(7),
    'Days that requests to an endpoint and its responses are kept, to be inspected and sent again; 0: none are kept',
    'longer than the standard retry schedule and a weekend; each event needs a row',
  ),
  recordTries: setting(
    z.int().min(1).max(100).default(20),
    'Attempts of one event that are kept, the latest ones',
    'the standard retry schedule has 13 attempts, and replays add some',
  ),
})

export const forwardSettings = z.strictObject({
  domains: setting(
    z.array(nonEmptyText).default([]),
    'Inbound domains of accounts, as DOMAIN or DOMAIN=APIUSER, assigned at every start; their MX records must name this host',
    'none: an operator assigns domains to accounts with bounced inbound add',
  ),
  linkHours: setting(
    positiveInteger.default(72),
    'Hours that the link to the raw text of an inbound mail is valid; each webhook attempt has a new link',
    'a receiver that queues its events over a weekend can still fetch the mail',
  ),
  rawBytes: setting(
    z.int().min(0).default(1_048_576),
    'Largest inbound mail, in bytes, that raw_message holds whole; fetch a larger one from raw_message_url',
    '1 MiB: most receivers refuse bodies of more than a few megabytes, and form encoding can triple the size',
  ),
})

export const reportCopySettings = z.strictObject({
  smtp: setting(
    z
      .string()
      .regex(/^smtps?:\/\//, 'must begin with smtp:// or smtps://')
      .optional(),
    'Smart host for copies of reports, such as smtp://USER:PASSWORD@HOST:587, where delivery.mode is off',
    'alerts.smtp; without both, and without a delivery queue, there are no copies',
    true,
  ),
  from: setting(
    z.email().optional(),
    'From address of copies of reports',
    'mailer-daemon@ at the Return-Path domain; the envelope sender is empty',
  ),
  perAddressHour: setting(
    positiveInteger.default(60),
    'Copies of reports to one address in an hour; further ones are dropped and counted',
    'one a minute: enough for personal mail, and a campaign does not fill the mailbox of its sender',
  ),
})

export const alertSettings = z.strictObject({
  rules: setting(
    z
      .array(nonEmptyText.refine((rule) => parseThresholdChange(rule) !== null, 'must be alert=raise/clear/minimum or alert=off'))
      .default([]),
    'Changed alert thresholds, such as bounce-rate=0.08/0.04/500 or complaint-rate=off; an account can change its own',
    'none: the built-in thresholds, which bounced alerts rules prints',
  ),
  account: setting(
    nonEmptyText.optional(),
    'apiUser of the account whose webhooks receive the alerts of the whole installation; "none": no account',
    'the first account, which usually belongs to the operator',
  ),
  smtp: setting(
    z
      .string()
      .regex(/^smtps?:\/\//, 'must begin with smtp:// or smtps://')
      .optional(),
    'Smart host for alert mails, such as smtp://USER:PASSWORD@HOST:587',
    'none: alerts appear in webhooks, log and metrics only',
    true,
  ),
  mailTo: setting(
    z.array(z.email()).default([]),
    'Addresses that receive a mail for every alert',
    'none; an account sets its own addresses in alertEmails',
  ),
  mailFrom: setting(z.email().optional(), 'From address of alert mails', 'alerts@ at the Return-Path domain; the envelope sender is empty'),
})
