/**
 * plan-copy - decides in the transaction of a report whether its sender gets a copy
 *
 * See also: compose/report-copy (the rules), service/receive/receive (which stores the row), service/report-copies/report-copier (which sends it).
 */
import { isOwnAddress, planReportCopy } from '../../compose/report-copy.ts'
import { hashAddress } from '../../correlate/address-hash.ts'
import type { ReportMatch } from '../../correlate/match.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { ReportCopyRow } from '../../store/mail/report-copies.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import type { PreparedMail } from '../receive/prepare.ts'

/** The row of the copy of a report; null: there is none. */
export function planCopyOf(
  context: Context,
  snapshot: AccountSnapshot,
  { item, match }: { readonly item: PreparedMail; readonly match: ReportMatch<DeliveryRow> },
): ReportCopyRow | null {
  const { delivery, problem, account } = match
  const { mail, report, digest } = item
  if (delivery === null || problem !== null || !delivery.registered || mail.source === 'replay') return null
  const settings = snapshot.settingsOf(account)
  const proof = match.proof
  const plan = planReportCopy({
    report,
    raw: mail.raw,
    proof,
    settings,
    sender: delivery.from,
    ownDomains: ownDomainsOf(context, snapshot),
  })
  if (plan.refusal !== null) {
    if (plan.refusal !== 'off' && plan.refusal !== 'kind') context.telemetry.count('bounced_report_copies_total', { outcome: plan.refusal })
    return null
  }
  const addressHash = hashAddress(plan.recipient)
  if (addressHash === null) return null
  const now = context.now()
  return {
    account,
    deliveryId: delivery.deliveryId,
    kind: plan.kind,
    digest,
    addressHash,
    state: 'waiting',
    tries: 0,
    dueAt: now,
    createdAt: now,
  }
}

/** The domains whose mail comes to this installation. */
function ownDomainsOf({ domains, publicUrl }: Context, { forwardDomains, trackingDomains }: AccountSnapshot): readonly string[] {
  const hosts = [...forwardDomains.keys(), ...trackingDomains.keys(), new URL(publicUrl).hostname]
  return [...domains.returnPath, ...domains.feedback, ...(domains.verp ?? []), ...hosts]
}

/** Whether an address may get copies now: a domain may have become ours since the copy was planned. */
export const isForeignAddress = (context: Context, snapshot: AccountSnapshot, address: string): boolean =>
  !isOwnAddress(address, ownDomainsOf(context, snapshot))
