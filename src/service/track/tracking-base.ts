/**
 * tracking-base - the base URL of the links in an account's mail
 *
 * See also: service/track/tracking-domains (verifies), tracking/tracking-link, settings/tracking, docs/TRACKING.md.
 */
import type { Context } from '../context.ts'
import type { AccountSnapshot } from '../account-cache.ts'

/**
 * The account's own tracking domain if it is verified, else the shared one, else `publicUrl` if it is set, without a trailing slash. Null:
 * there is none, and nothing is tracked. Pure.
 */
export function trackingBaseOf(context: Context, snapshot: AccountSnapshot, account: number): string | null {
  const { trackingDomain } = snapshot.settingsOf(account)
  const isVerified = trackingDomain !== '' && snapshot.trackingDomains.get(trackingDomain) === account
  return isVerified ? `https://${trackingDomain}` : context.sharedTrackingBase
}
