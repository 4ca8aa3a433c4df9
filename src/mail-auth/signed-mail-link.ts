/**
 * signed-mail-link - links to one raw mail, good for whoever holds them, until they end
 *
 * A webhook's receiver fetches the mail with nothing but the link. The MAC covers account, mail and end, under a key derived from the
 * master for this alone.
 *
 * See also: service/forward/forward-body (who writes them), http/api/forwarded-mails (who reads them).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { hkdf } from '../correlate/token-keys.ts'

type MailLink = { readonly account: number; readonly digest: string; readonly expires: number }

export type MailLinkSigner = {
  /** The MAC of a link: 32 characters. */
  readonly sign: (link: MailLink) => string
  /** Whether a MAC is that of a link which has not ended. */
  readonly isValid: (link: MailLink, signature: string, now: number) => boolean
}

const KEY_BYTES = 32
const MAC_CHARACTERS = 32

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
