/**
 * forged-id - whether a mail names an id in the form of ours that we did not make
 *
 * Somebody who guesses ids needs many mails. Such an id counts only where one of ours could stand: at our own report domains, or in a Message-ID
 * at a domain that an account sends from. It says nothing about the peer, because a stranger can make an honest server relay it.
 *
 * Pure, total. See also: correlate/token, service/receive/flood-monitor (counts them).
 */
import type { Report } from '../mail/report.ts'
import { bareMessageId, type TokenDomains } from './references.ts'
import type { TokenKeyLookup } from './token-keys.ts'
import { parseToken, type TokenPurpose } from './token.ts'

type ForgedIdInput = {
  readonly report: Report
  readonly rcpt: string
  readonly domains: TokenDomains
  /** Domains that accounts send from, in lower case. */
  readonly senderDomains: ReadonlySet<string>
  readonly keyFor: TokenKeyLookup
}

/** 30 characters before the only @. Truncated tokens are left out: relays truncate. */
const WHOLE_ID = /^([A-Za-z2-7]{30})@([A-Za-z0-9.-]{1,253})$/

/** The account number in the first forged id of a mail; null if there is none. */
export function findForgedId({ report, rcpt, domains, senderDomains, keyFor }: ForgedIdInput): number | null {
  const returned = report.originalMessage
  const places: readonly (readonly [text: string | null | undefined, purposes: readonly TokenPurpose[], domains: ReadonlySet<string>])[] = [
    [rcpt, ['return-path'], new Set(domains.returnPath)],
    [rcpt, ['feedback', 'unsubscribe'], new Set(domains.feedback)],
    [returned?.returnPath, ['return-path'], new Set(domains.returnPath)],
    [report.complaint?.originalMailFrom, ['return-path'], new Set(domains.returnPath)],
    [returned?.messageId, ['message-id'], senderDomains],
  ]
  for (const [text, purposes, own] of places) {
    const [, id = '', domain = ''] = WHOLE_ID.exec(bareMessageId(text ?? '')) ?? []
    if (!own.has(domain.toLowerCase())) continue
    const parsed = purposes.map((purpose) => parseToken(id, purpose, domain.toLowerCase(), keyFor))
    const forged = parsed.every(({ state }) => state === 'invalid') ? parsed[0] : undefined
    if (forged !== undefined && forged.state !== 'none') return forged.account
  }
  return null
}
