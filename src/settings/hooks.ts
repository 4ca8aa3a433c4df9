/**
 * hooks - settings of what leaves for the account's own servers: webhooks
 *
 * See also: settings (the whole schema), work/notify.
 */
import { z } from 'zod'
import { days, setting, text } from './setting.ts'

export const webhooks = z.strictObject({
  allowPrivate: setting(
    z.boolean().default(false),
    'Let webhooks reach private, loopback and link-local addresses',
    'whoever may add an endpoint could otherwise talk to your inner network',
  ),
  allowHosts: setting(
    z.array(text).default([]),
    'Hosts that webhooks may reach though they are private (names or addresses, as in the URL)',
    'none: name the one receiver of your own network instead of opening all of it',
  ),
  replayWhenWell: setting(
    z.boolean().default(true),
    'Send webhooks that have failed once more when their endpoint answers again',
    'an outage then loses nothing; complaints and unsubscribes go first',
  ),
  recordDays: setting(
    days.default(7),
    'Days that what was sent to an endpoint and what it answered can be looked up and sent again; 0: nothing is written down',
    'longer than the standard ladder and a weekend; each event costs a row',
  ),
  recordTries: setting(
    z.int().min(1).max(100).default(20),
    'Attempts of one event whose answers are kept: the last',
    'the standard ladder has thirteen; replays add some',
  ),
})
