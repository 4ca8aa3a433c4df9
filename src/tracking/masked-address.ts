/**
 * masked-address - an address and a sender as the unsubscribe page shows them
 *
 * A link can be forwarded. Its holder may see which mailbox the page is about if he knows it anyway, and learns no address.
 *
 * Pure. See also: service/track/unsubscribe-links, http/tracking/unsubscribe-page.
 */
import { parseAddress } from '../mail/mime/address.ts'
import { decodeEncodedWords } from '../mail/mime/encoded-word.ts'

/**
 * An address with its first character and its domain. Total.
 *
 *     maskAddress('joe@example.com') → 'j***@example.com'
 *     maskAddress('j@example.com') → '***@example.com'
 */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const [first = '', second] = address.slice(0, Math.max(at, 0))
  return `${second === undefined ? '' : first}***${at < 0 ? '' : address.slice(at)}`
}

/** Characters that end a line, or that reorder or hide text. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

const MAX_NAME_LENGTH = 100

/**
 * The name of a sender: the display name of a From field, or the domain of its address. Null: the field has neither. Total.
 *
 *     senderNameOf('"Example News" <news@example.org>') → 'Example News'
 *     senderNameOf('news@example.org') → 'example.org'
 */
export function senderNameOf(from: string): string | null {
  const bracket = from.lastIndexOf('<')
  const phrase = decodeEncodedWords(bracket < 0 ? '' : from.slice(0, bracket).trim())
  const name = phrase.replaceAll(INVISIBLE, '').trim().replaceAll(/^"|"$/g, '').replaceAll(/\\(.)/g, '$1').trim()
  if (name !== '') return name.slice(0, MAX_NAME_LENGTH)
  return parseAddress(from)?.domain ?? null
}
