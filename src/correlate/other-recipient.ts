/**
 * other-recipient - whether a report names another recipient than the one that a mail was sent to
 *
 * A person who vouches for a report or links it by hand can pick the wrong mail. A forwarded mail also bounces under another address, so this is a
 * question and not a refusal.
 *
 * Pure, total. See also: service/receive/inbox, service/receive/match-and-decide.
 */
import type { Report } from '../mail/report.ts'
import { hashAddress } from './address-hash.ts'

/**
 * The first address that a report names as its recipient, if none of those that it names is the address of the mail. Null: one of them is, the
 * report names none, or the address of the mail is not known.
 */
export function findOtherRecipient(report: Report, addressHash: string | null): string | null {
  if (addressHash === null) return null
  const named = [
    ...report.recipients.flatMap(({ recipient, originalRecipient }) => [recipient, originalRecipient]),
    ...(report.complaint?.originalRcptTo ?? []),
    ...(report.originalMessage?.to ?? []),
  ].flatMap((address) => {
    const hash = address === null ? null : hashAddress(address)
    return address === null || hash === null ? [] : [{ address, hash }]
  })
  return named.some(({ hash }) => hash === addressHash) ? null : (named[0]?.address ?? null)
}
