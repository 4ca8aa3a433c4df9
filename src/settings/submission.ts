/**
 * submission - settings of the door at which senders hand over mail by SMTP
 *
 * See also: settings (the whole schema), smtp-server/submission-session, docs/SENDING.md.
 */
import { z } from 'zod'
import { positiveInteger, portNumber, setting, nonEmptyText } from './setting.ts'

export const submissionSettings = z.strictObject({
  port: setting(
    portNumber.optional(),
    'Port of SMTP submission, like 2587; 0 picks a free one',
    'none: a door that sends mail is opened on purpose; mail/send is there without it',
  ),
  host: setting(nonEmptyText.optional(), 'Address that SMTP submission binds to', 'the host of the other listeners'),
  plainAuth: setting(
    z.boolean().default(false),
    'Let senders sign in without TLS from anywhere',
    'an apiKey in plain sight is everybody’s; from loopback it may go so',
  ),
  mailBytes: setting(
    positiveInteger.default(20 * 1024 * 1024),
    'Largest mail that is taken by SMTP submission, in octets',
    'ten MiB of attachments, as mail/send takes them, are 14 in base64',
  ),
  recipientsPerDay: setting(
    positiveInteger.optional(),
    'Recipients that one account may send to in a day (UTC), by SMTP submission and mail/send',
    'none: how much is sent is between you and your senders',
  ),
})
