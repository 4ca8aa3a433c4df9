/**
 * offline-tokens - names that a sender signed by itself, read before their mails are registered
 *
 * A token is taken only from the account whose offline number it bears, whole and under a key in force. It may have been signed as long ago
 * as its purpose lasts, and a day ahead, for clocks differ.
 *
 * See also: service/submit/register, correlate/token, docs/TOKEN.md (Minting offline).
 */
import type { OurDomains } from '../../correlate/references.ts'
import { parseDeliveryId, startOfDay } from '../../correlate/delivery-id.ts'
import { isExpired, PURPOSES, readToken, type Purpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import type { Page } from '../account-cache.ts'

/** A delivery that was named outside. */
export type OfflineName = { readonly deliveryId: string; readonly keyIndex: number }

type Offered = { readonly account: number; readonly token: string; readonly at: number }

const DAY_MS = 86_400_000

/**
 * Reads a token, alone or as a Return-Path. Faults: bad_request, in the same words for a forged token and for another's: who asks must not
 * learn which numbers there are.
 */
export function readOfflineName(page: Page, domains: OurDomains, { account, token, at }: Offered): OfflineName {
  const [text = ''] = token.trim().split('@')
  const found = purposesOf(domains)
    .map(([purpose, domain]) => readToken(text, purpose, domain, page.keyFor))
    .find((read) => read.state === 'valid')
  if (found === undefined || found.state === 'none') throw refusal()
  const owner = page.accountOf(found.account)
  if (owner === null || !owner.offline || owner.account !== account) throw refusal()
  if (isExpired(found.deliveryId, PURPOSES[found.purpose].days, at) || isAhead(found.deliveryId, at))
    throw new Fault('bad_request', 'this token was signed for a day that is too long ago, or ahead')
  return { deliveryId: found.deliveryId, keyIndex: found.key }
}

const refusal = (): Fault => new Fault('bad_request', 'this is no token that was signed under an offline number of this account')

function purposesOf({ returnPath, feedback }: OurDomains): readonly (readonly [Purpose, string])[] {
  const names: readonly Purpose[] = ['feedback', 'unsubscribe', 'tracking']
  return [
    ...returnPath.map((domain) => ['return-path', domain] as const),
    ...feedback.flatMap((domain) => names.map((purpose) => [purpose, domain] as const)),
  ]
}

function isAhead(deliveryId: string, at: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts === null || startOfDay(parts.day) > at + DAY_MS
}
