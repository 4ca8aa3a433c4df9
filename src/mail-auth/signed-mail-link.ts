/**
 * signed-mail-link - signs links to raw mails, which give access to anybody who has them until they expire
 *
 * The receiver of a webhook needs nothing but the link to fetch the mail. The MAC covers account, mail and expiry, under a key that is derived from the master key
 * for this purpose only.
 *
 * See also: service/forward/forward-body (who writes them), http/api/forwarded-mails (who reads them).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { hkdf } from '../correlate/token-keys.ts'

type MailLink = { readonly account: number; readonly digest: string; readonly expires: number }

export type MailLinkSigner = {
  /** The MAC of a link: 32 characters. */
  readonly sign: (link: MailLink) => string
  /** Whether the signature belongs to the link and the link has not expired. Takes constant time. */
  readonly isValid: (link: MailLink, signature: string, now: number) => boolean
}

const KEY_BYTES = 32
const MAC_CHARACTERS = 32

/** Creates a signer from the master key. */
export function createMailLinkSigner(masterKey: Uint8Array): MailLinkSigner {
  const key = hkdf(masterKey, Buffer.from('bounced mail link v1'), Buffer.from('link'), KEY_BYTES)
  const sign = ({ account, digest, expires }: MailLink): string =>
    createHmac('sha256', key).update(`${account}/${digest}/${expires}`).digest('base64url').slice(0, MAC_CHARACTERS)
  return {
    sign,
    isValid: (link, signature, now) => {
      const given = Buffer.from(signature)
      return given.length === MAC_CHARACTERS && timingSafeEqual(given, Buffer.from(sign(link))) && now < link.expires
    },
  }
}
