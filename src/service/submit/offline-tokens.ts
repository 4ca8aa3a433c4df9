/**
 * offline-tokens - names that a sender signed by itself, read before their mails are registered
 *
 * A token is taken only from the account whose offline number it bears, whole and under a key in force. It may have been signed as long ago
 * as its purpose lasts, and a day ahead, for clocks differ.
 *
 * See also: service/submit/register, correlate/token, docs/TOKEN.md (Minting offline).
 */
import type { TokenDomains } from '../../correlate/references.ts'
import { parseDeliveryId, startOfDayNumber } from '../../correlate/delivery-id.ts'
import { isDeliveryIdExpired, TOKEN_PURPOSES, parseToken, type TokenPurpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import type { AccountSnapshot } from '../account-cache.ts'

/** A delivery that was named outside. */
export type OfflineTokenClaims = { readonly deliveryId: string; readonly keyIndex: number }

type OfferedToken = { readonly account: number; readonly token: string; readonly at: number }

const DAY_MS = 86_400_000

/**
 * Reads a token, alone or as a Return-Path. Faults: bad_request, in the same words for a forged token and for another's: who asks must not
 * learn which numbers there are.
 */
export function verifyOfflineToken(
  snapshot: AccountSnapshot,
  domains: TokenDomains,
  { account, token, at }: OfferedToken,
): OfflineTokenClaims {
  const [text = ''] = token.trim().split('@')
  const found = tokenPurposes(domains)
    .map(([purpose, domain]) => parseToken(text, purpose, domain, snapshot.keyFor))
    .find((read) => read.state === 'valid')
  if (found === undefined || found.state === 'none') throw invalidToken()
  const owner = snapshot.accountOf(found.account)
  if (owner === null || !owner.offline || owner.account !== account) throw invalidToken()
  if (isDeliveryIdExpired(found.deliveryId, TOKEN_PURPOSES[found.purpose].days, at) || isDatedAhead(found.deliveryId, at))
    throw new Fault('bad_request', 'this token was signed for a day that is too long ago, or ahead')
  return { deliveryId: found.deliveryId, keyIndex: found.key }
}

const invalidToken = (): Fault => new Fault('bad_request', 'this is no token that was signed under an offline number of this account')

function tokenPurposes({ returnPath, feedback }: TokenDomains): readonly (readonly [TokenPurpose, string])[] {
  const names: readonly TokenPurpose[] = ['feedback', 'unsubscribe', 'tracking']
  return [
    ...returnPath.map((domain) => ['return-path', domain] as const),
    ...feedback.flatMap((domain) => names.map((purpose) => [purpose, domain] as const)),
  ]
}

function isDatedAhead(deliveryId: string, at: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts === null || startOfDayNumber(parts.day) > at + DAY_MS
}
