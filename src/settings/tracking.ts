/**
 * tracking - settings of opens, clicks and unsubscribes
 *
 * The switches, the privacy and the page of each account are account settings (ledger/account-settings).
 *
 * See also: settings/schema (all settings), http/tracking/host-filter, service/track/engagement-recorder, docs/TRACKING.md.
 */
import { z } from 'zod'
import { dnsName, nonEmptyText, positiveInteger, setting } from './setting.ts'

export const trackingSettings = z.strictObject({
  domain: setting(
    dnsName.optional(),
    'Domain of the links in mails for accounts without a tracking domain of their own; it serves tracking and unsubscribe links only, over HTTPS',
    'the host of publicUrl: one name and one certificate are enough to begin with; use a separate name, so that links in mails never lead to the API',
  ),
  durable: setting(
    z.boolean().default(false),
    'Answer an open or a click only after it is committed',
    'false: the image and the redirect do not wait for the disk; a crash loses the opens and clicks of the last moment',
  ),
  waiting: setting(
    positiveInteger.default(20_000),
    'Opens and clicks that wait for their commit; further ones are answered, but not recorded (with tracking.durable: 503)',
    'four seconds of 5,000 a second; each takes at most a few kilobytes of memory',
  ),
  countryDatabase: setting(
    nonEmptyText.optional(),
    'MMDB file that gives the country of an IP address; a file that is replaced is read within a minute',
    'none: the country database that is part of the installation',
  ),
  cityDatabase: setting(
    nonEmptyText.optional(),
    'MMDB file that gives country, region and city of an IP address, such as GeoLite2 City or DB-IP City',
    'none: only the country is stored; city databases have licences of their own',
  ),
})
