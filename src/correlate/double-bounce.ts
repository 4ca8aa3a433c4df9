/**
 * double-bounce - whether a report is about mail to us
 *
 * Such a report bounces an answer of ours (an out-of-office note, a report), so it says nothing about the recipient of our mail.
 *
 * Pure, total. See also: ledger/decide/report (files it), commands/reading/explain.
 */
import type { Report } from '../mail/report.ts'

/** Whether every recipient that a report names is at one of our own domains (lower case). */
export function isDoubleBounce({ recipients }: Pick<Report, 'recipients'>, ownDomains: readonly string[]): boolean {
  const isOurs = (address: string | null): boolean =>
    address !== null && ownDomains.includes(address.slice(address.lastIndexOf('@') + 1).toLowerCase())
  return recipients.length > 0 && recipients.every(({ recipient }) => isOurs(recipient))
}
