/**
 * delivered-copy - whether another copy of an expanded mail was delivered
 *
 * An alias or a list leads one address to several: each gets a group with the same Original-Recipient. If any copy was delivered or relayed,
 * the mail was delivered, and a copy that failed says nothing about the address that we sent to.
 *
 * Pure, total. RFC 3464 §2.3.1. See also: ledger/decide/recipients, commands/reading/explain-format.
 */
import type { RecipientReport } from '../report.ts'

/** Whether a copy for the same Original-Recipient as that of `group` was delivered or relayed. */
export function hasDeliveredCopy(groups: readonly RecipientReport[], group: RecipientReport): boolean {
  const original = group.originalRecipient?.toLowerCase()
  if (original === undefined) return false
  return groups.some(
    ({ action, originalRecipient }) =>
      (action === 'delivered' || action === 'relayed') && originalRecipient !== null && originalRecipient.toLowerCase() === original,
  )
}
