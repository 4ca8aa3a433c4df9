/**
 * mail-tokens - the signed tokens of one delivery: Return-Path, Message-ID, feedback id and unsubscribe token
 *
 * Deterministic: the same delivery and key always give the same tokens, at registration and at each delivery attempt.
 *
 * See also: correlate/token, compose/tracking-headers, docs/TOKEN.md.
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import type { TokenDomains } from '../../correlate/references.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { mintToken, type TokenPurpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import type { CopyTokens } from '../../tracking/tracking-slot.ts'
import type { AccountSnapshot } from '../account-cache.ts'

/** `keyIndex` selects the signing key: the current one, or the one that the sender used to sign offline. */
export type TokenClaims = { readonly deliveryId: string; readonly keyIndex: number }

type MailTokens = {
  readonly returnPath: string
  readonly feedback: string
  readonly unsubscribe: string
  readonly feedbackDomain: string
}

/** Signs the tokens of a delivery. Pure. Faults: internal (the account has no such key). */
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

/**
 * The Message-ID of one copy, without angle brackets: the sender's own, or a token at the sender's domain. Pure. Faults: internal (the
 * account has no such key).
 */
export function messageIdHeaderOf(
  snapshot: AccountSnapshot,
  claims: TokenClaims,
  { own, from }: { readonly own: string | null; readonly from: string },
): string {
  const domain = normaliseAddress(from)?.domain ?? 'bounced.invalid'
  return own ?? `${signToken(snapshot, { ...claims, purpose: 'message-id', domain })}@${domain}`
}

/** Signs the tokens of the links in one copy. Pure. Faults: internal (the account has no such key). */
export function signCopyTokens(snapshot: AccountSnapshot, domains: TokenDomains, claims: TokenClaims): CopyTokens {
  const [domain = ''] = domains.feedback
  const tracking = signToken(snapshot, { ...claims, purpose: 'tracking', domain })
  return { tracking, unsubscribe: signToken(snapshot, { ...claims, purpose: 'unsubscribe', domain }), key: tokenKeyOf(snapshot, claims) }
}

function signToken(
  snapshot: AccountSnapshot,
  { deliveryId, keyIndex, purpose, domain }: TokenClaims & { readonly purpose: TokenPurpose; readonly domain: string },
): string {
  const token = mintToken({ key: tokenKeyOf(snapshot, { deliveryId, keyIndex }), keyIndex, deliveryId, purpose, domain })
  return token ?? failWithoutKey(deliveryId)
}

function tokenKeyOf(snapshot: AccountSnapshot, { deliveryId, keyIndex }: TokenClaims): Uint8Array {
  return snapshot.keyFor(parseDeliveryId(deliveryId)?.account ?? 0, keyIndex) ?? failWithoutKey(deliveryId)
}

function failWithoutKey(deliveryId: string): never {
  const account = parseDeliveryId(deliveryId)?.account ?? 0
  throw new Fault('internal', 'this account has no key to sign tokens with', { detail: { account } })
}
