/**
 * tracking - settings of the links in mails: opens, clicks and the unsubscribe page
 *
 * See also: settings/schema (all settings), http/tracking/host-filter.
 */
import { z } from 'zod'
import { dnsName, setting } from './setting.ts'

export const trackingSettings = z.strictObject({
  domain: setting(
    dnsName.optional(),
    'Domain of the links in mails for accounts without a tracking domain of their own; it serves tracking and unsubscribe links only, over HTTPS',
    'the host of publicUrl: one name and one certificate are enough to begin with; use a separate name, so that links in mails never lead to the API',
  ),
})
