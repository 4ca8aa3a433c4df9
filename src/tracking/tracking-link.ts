/**
 * tracking-link - the links of a tracked mail: open image, click redirect and unsubscribe page
 *
 *     <base>/o/<token>.gif                 open image
 *     <base>/c/<token>/<mac>/<target>      click redirect
 *     <base>/u/<token>                     unsubscribe page (the token has the purpose unsubscribe)
 *
 * The token is a token of the purpose tracking. A click link contains its whole target as base64url of UTF-8, so that it needs no storage and
 * outlives the mail's retention. Its MAC is the first 80 bits of HMAC-SHA-256, with the account's token key, over `bounced-click-1`, the
 * token and the target, each terminated by NUL, so that nobody can make a link that redirects elsewhere. MACs are compared in constant time.
 * Expiry is the caller's matter (`isDeliveryIdExpired`): a click still redirects after it.
 *
 * Pure. See also: correlate/token, tracking/click-target, docs/TOKEN.md.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { encodeBase32 } from '../correlate/base32.ts'
import { parseToken } from '../correlate/token.ts'
import type { TokenKeyLookup } from '../correlate/token-keys.ts'
import { isRedirectTarget } from './click-target.ts'

/** Longer links are broken by some mail programs and proxies. */
const MAX_LINK_LENGTH = 2_000
const CLICK_MAC_VERSION = 'bounced-click-1'
const CLICK_MAC_BYTES = 10
const OPEN_SUFFIX = '.gif'

/** `base` is an origin without a trailing slash. `token` has the purpose tracking. */
export function openUrl({ base, token }: { readonly base: string; readonly token: string }): string {
  return `${base}/o/${token}${OPEN_SUFFIX}`
}

type ClickLink = {
  readonly base: string
  readonly token: string
  /** The key that signed the token. */
  readonly key: Uint8Array
  /** As `clickTargetOf` returns it. */
  readonly target: string
}

/** Null: the target cannot be redirected to, or the link would be longer than 2,000 characters. Every other link works in a quoted or unquoted attribute. */
export function clickUrl({ base, token, key, target }: ClickLink): string | null {
  const encoded = isRedirectTarget(target) ? Buffer.from(target, 'utf8').toString('base64url') : null
  if (encoded === null) return null
  const url = `${base}/c/${token}/${clickMacOf(key, token, target)}/${encoded}`
  return url.length > MAX_LINK_LENGTH ? null : url
}

/** `token` has the purpose unsubscribe. */
export function unsubscribeUrl({ base, token }: { readonly base: string; readonly token: string }): string {
  return `${base}/u/${token}`
}

type TrackingLinkReading = {
  /** `invalid`: not signed by us for this domain, or changed. Nothing of an invalid link may be used. */
  readonly state: 'valid' | 'invalid'
  /** The account number in the token; may be the offline number of an account. 0 if the link is invalid. */
  readonly account: number
  readonly deliveryId: string
  /** Of a valid click link: an absolute http or https URL in printable ASCII. */
  readonly target: string | null
}

const INVALID: TrackingLinkReading = { state: 'invalid', account: 0, deliveryId: '', target: null }

/** Reads the last path segment of an open image, with or without `.gif`. Total. */
export function readOpenPath(segment: string, domain: string, keyFor: TokenKeyLookup): TrackingLinkReading {
  const token = segment.toLowerCase().endsWith(OPEN_SUFFIX) ? segment.slice(0, -OPEN_SUFFIX.length) : segment
  return readTrackingToken(token, domain, keyFor)?.reading ?? INVALID
}

/** The path segments of a click link, as they stand in the request. */
type ClickPath = { readonly token: string; readonly mac: string; readonly target: string }

/** Reads a click link. Total: any change of a character gives `invalid`. */
export function readClickPath(path: ClickPath, domain: string, keyFor: TokenKeyLookup): TrackingLinkReading {
  const known = path.target.length > MAX_LINK_LENGTH ? null : readTrackingToken(path.token, domain, keyFor)
  if (known === null) return INVALID
  const target = Buffer.from(path.target, 'base64url').toString('utf8')
  // Base64 has several spellings of one text; only ours is valid.
  if (Buffer.from(target, 'utf8').toString('base64url') !== path.target) return INVALID
  const expected = Buffer.from(clickMacOf(known.key, path.token, target), 'latin1')
  const actual = Buffer.from(path.mac, 'utf8')
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return INVALID
  return isRedirectTarget(target) ? { ...known.reading, target } : INVALID
}

function readTrackingToken(
  text: string,
  domain: string,
  keyFor: TokenKeyLookup,
): { readonly key: Uint8Array; readonly reading: TrackingLinkReading } | null {
  const token = parseToken(text, 'tracking', domain, keyFor)
  if (token.state !== 'valid') return null
  const { account, deliveryId, keyIndex } = token
  const key = keyFor(account, keyIndex)
  return key === null ? null : { key, reading: { state: 'valid', account, deliveryId, target: null } }
}

function clickMacOf(key: Uint8Array, token: string, target: string): string {
  const signedText = `${CLICK_MAC_VERSION}\0${token.toLowerCase()}\0${target}\0`
  return encodeBase32(createHmac('sha256', key).update(signedText, 'utf8').digest().subarray(0, CLICK_MAC_BYTES))
}
