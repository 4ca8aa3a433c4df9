/**
 * follow - the logs of other MTAs that the daemon follows
 *
 * See also: docs/FOLLOW.md, import/log-followers.
 */
import { z } from 'zod'
import { LOG_STARTS } from '../import/log-file.ts'
import { parseLogToFollow } from '../import/log-followers.ts'
import { LOG_FORMATS } from '../mta-log/log-formats.ts'
import { nonEmptyText, setting } from './setting.ts'

export const followSettings = z.strictObject({
  logs: setting(
    z
      .array(z.string().refine((text) => parseLogToFollow(text) !== null, `must be FORMAT:FILE, with ${LOG_FORMATS.join(', ')}`))
      .default([]),
    'Logs of other MTAs to follow, each as FORMAT:FILE, such as postfix:/var/log/mail.log',
    'none: the daemon reads no file that you do not name',
  ),
  relays: setting(
    z.array(nonEmptyText.max(255)).default([]),
    'Servers of your own that only pass mail on: host names, domains that begin with a dot, addresses or networks; what is sent to them is not delivered yet',
    'none: loopback, sockets and pipes are taken for hand-overs without being named',
  ),
  zone: setting(
    nonEmptyText
      .refine((text) => isZone(text), 'must be an IANA time zone, for example Asia/Shanghai')
      .default(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
    'The IANA time zone of times in logs that have no offset',
    'that of this machine',
  ),
  host: setting(
    nonEmptyText.max(255).optional(),
    'The name of the MTA in its reports (Reporting-MTA), for logs whose lines name no host',
    'the host name of the machine',
  ),
  start: setting(
    z.enum(LOG_STARTS).default('beginning'),
    'Where a log begins that was never read: beginning, end, or rotated (its rotated files first)',
    'beginning: outcomes of the mails of today are recorded, and what is read twice changes nothing',
  ),
})

function isZone(text: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
