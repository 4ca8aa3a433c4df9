/**
 * mx-hosts - which MX hosts of a domain an attempt may use, and the site that an attempt counts for, where the hosts belong to several sites
 *
 * A message is dispatched for the site of the most preferred host. A host of another site is used only while that site is open for the egress IP, and its reply
 * counts there. A node that does not hold the other site's lane group knows nothing of its keys: it uses the host, and passes the result on.
 *
 * See also: classify/mx-site, queue/schedule/other-site, service/deliver/delivery-session (settles the attempt), smtp-client/transport.
 */
import { type MxSite, siteOfMxHost } from '../../../classify/mx-site.ts'
import type { RuleTable } from '../../../classify/rule-table.ts'
import type { EgressRoute } from '../../../queue/backoff/backoff-key.ts'
import type { QueueState } from '../../../queue/queue-state.ts'
import { isSiteOpen } from '../../../queue/schedule/other-site.ts'

/** The site of an MX host of the destination if it is not the one that the message was dispatched for; null: it is, or the host is not one of them. */
export function otherSiteOf(table: RuleTable, { site, domain, mxSet }: EgressRoute, host: string | null): MxSite | null {
  const hosts = mxSet.split(',')
  if (host === null || hosts.length < 2 || !hosts.includes(host)) return null
  const found = siteOfMxHost(table, { host, hosts, domain })
  return found.site === site ? null : found
}

/** Whether an attempt may use an MX host now. */
export function mayUseHost(
  queue: QueueState,
  table: RuleTable,
  to: EgressRoute,
  { host, now }: { readonly host: string; readonly now: number },
): boolean {
  const other = otherSiteOf(table, to, host)
  return other === null || isSiteOpen(queue, { ...to, ...other }, now)
}
