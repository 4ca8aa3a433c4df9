/**
 * mail-tokens - the signed names of one delivery: its Return-Path, its feedback and unsubscribe tokens
 *
 * The same delivery under the same key has the same names, whoever asks and whenever: when it is registered, and at each try to send it.
 *
 * See also: correlate/token, compose/tracking-headers, docs/TOKEN.md.
 */
import type { TokenDomains } from '../../correlate/references.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { mintToken, type TokenPurpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import type { AccountSnapshot } from '../account-cache.ts'

/** `keyIndex`: the key that signs, the present one or the one that a sender used who signs offline. */
export type TokenClaims = { readonly deliveryId: string; readonly keyIndex: number }

export type MailTokens = {
  readonly returnPath: string
  readonly feedback: string
  readonly unsubscribe: string
  readonly feedbackDomain: string
}

/** Signs the names of a delivery. Faults: internal (its account has no such key). */
export function signMailTokens(snapshot: AccountSnapshot, domains: TokenDomains, claims: TokenClaims): MailTokens {
  const [returnPathDomain = ''] = domains.returnPath
  const [feedbackDomain = ''] = domains.feedback
  return {
    returnPath: `${signToken(snapshot, { ...claims, purpose: 'return-path', domain: returnPathDomain })}@${returnPathDomain}`,
    feedback: signToken(snapshot, { ...claims, purpose: 'feedback', domain: feedbackDomain }),
    unsubscribe: signToken(snapshot, { ...claims, purpose: 'unsubscribe', domain: feedbackDomain }),
    feedbackDomain,
  }
}

function signToken(
  snapshot: AccountSnapshot,
  { deliveryId, keyIndex, purpose, domain }: TokenClaims & { readonly purpose: TokenPurpose; readonly domain: string },
): string {
  const account = parseDeliveryId(deliveryId)?.account ?? 0
  const key = snapshot.keyFor(account, keyIndex)
  const token = key === null ? null : mintToken({ key, keyIndex, deliveryId, purpose, domain })
  if (token === null) throw new Fault('internal', 'no token can be signed for this account', { detail: { account } })
  return token
}
