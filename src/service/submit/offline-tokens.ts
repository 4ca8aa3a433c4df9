/**
 * offline-tokens - verifies tokens that a sender signed itself, before it registers their messages
 *
 * Accepts a token only from the account that owns its offline number, and only under a key in force. The token may be as old as its purpose
 * allows. It may be dated one day ahead, because clocks differ.
 *
 * See also: service/submit/register, correlate/token, docs/TOKEN.md (Minting offline).
 */
import { bareMessageId, type TokenDomains } from '../../correlate/references.ts'
import { parseDeliveryId, startOfDayNumber } from '../../correlate/delivery-id.ts'
import { isDeliveryIdExpired, TOKEN_PURPOSES, parseToken, type TokenPurpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import type { AccountSnapshot } from '../account-cache.ts'

/** The delivery that a token names. */
export type OfflineTokenClaims = { readonly deliveryId: string; readonly keyIndex: number }

type OfferedToken = { readonly account: number; readonly token: string; readonly at: number }

const DAY_MS = 86_400_000

/**
 * Verifies a token, alone, as a Return-Path address, or as a Message-ID. Faults: bad_request. A forged token and a token of another account get the same
 * message, so that a client cannot find out which account numbers exist.
 */
export function verifyOfflineToken(
  snapshot: AccountSnapshot,
  domains: TokenDomains,
  { account, token, at }: OfferedToken,
): OfflineTokenClaims {
  const [text = '', senderDomain] = bareMessageId(token).split('@')
  const found = tokenPurposes(domains, senderDomain)
    .map(([purpose, domain]) => parseToken(text, purpose, domain, snapshot.keyFor))
    .find((parsed) => parsed.state === 'valid')
  if (found === undefined || found.state === 'none') throw invalidToken()
  const owner = snapshot.accountOf(found.account)
  if (owner === null || !owner.offline || owner.account !== account) throw invalidToken()
  if (isDeliveryIdExpired(found.deliveryId, TOKEN_PURPOSES[found.purpose].validDays, at) || isDatedAhead(found.deliveryId, at))
    throw new Fault('bad_request', 'the date of this token is too old or in the future')
  return { deliveryId: found.deliveryId, keyIndex: found.keyIndex }
}

const invalidToken = (): Fault => new Fault('bad_request', 'this token was not signed under an offline number of this account')

function tokenPurposes(
  { returnPath, feedback }: TokenDomains,
  senderDomain: string | undefined,
): readonly (readonly [TokenPurpose, string])[] {
  const purposes: readonly TokenPurpose[] = ['feedback', 'unsubscribe', 'tracking']
  return [
    ...returnPath.map((domain) => ['return-path', domain] as const),
    ...feedback.flatMap((domain) => purposes.map((purpose) => [purpose, domain] as const)),
    ...(senderDomain === undefined ? [] : [['message-id', senderDomain] as const]),
  ]
}

function isDatedAhead(deliveryId: string, at: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts === null || startOfDayNumber(parts.day) > at + DAY_MS
}
