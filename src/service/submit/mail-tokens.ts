/**
 * mail-tokens - the signed names of one delivery: its Return-Path, its feedback and unsubscribe tokens
 *
 * The same delivery under the same key has the same names, whoever asks and whenever: when it is registered, and at each try to send it.
 *
 * See also: correlate/token, compose/tracking-headers, docs/TOKEN.md.
 */
import type { OurDomains } from '../../correlate/references.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { mintToken, type Purpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import type { Page } from '../account-cache.ts'

/** `keyIndex`: the key that signs, the present one or the one that a sender used who signs offline. */
export type Named = { readonly deliveryId: string; readonly keyIndex: number }

export type SignedNames = {
  readonly returnPath: string
  readonly feedback: string
  readonly unsubscribe: string
  readonly feedbackDomain: string
}

/** Signs the names of a delivery. Faults: internal (its account has no such key). */
export function signNames(page: Page, domains: OurDomains, named: Named): SignedNames {
  const [returnPathDomain = ''] = domains.returnPath
  const [feedbackDomain = ''] = domains.feedback
  return {
    returnPath: `${sign(page, { ...named, purpose: 'return-path', domain: returnPathDomain })}@${returnPathDomain}`,
    feedback: sign(page, { ...named, purpose: 'feedback', domain: feedbackDomain }),
    unsubscribe: sign(page, { ...named, purpose: 'unsubscribe', domain: feedbackDomain }),
    feedbackDomain,
  }
}

function sign(
  page: Page,
  { deliveryId, keyIndex, purpose, domain }: Named & { readonly purpose: Purpose; readonly domain: string },
): string {
  const account = parseDeliveryId(deliveryId)?.account ?? 0
  const key = page.keyFor(account, keyIndex)
  const token = key === null ? null : mintToken({ key, keyIndex, deliveryId, purpose, domain })
  if (token === null) throw new Fault('internal', 'no token can be signed for this account', { detail: { account } })
  return token
}
