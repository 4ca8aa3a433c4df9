/**
 * mails - mails with text parts of any charset and transfer encoding, and what a reader finds in the parts of a mail
 */
import { encodeBase64Lines, encodeQuotedPrintable } from '../../src/compose/transfer-encoding.ts'
import { decodePartBytes } from '../../src/mail/mime/content.ts'
import { parseMime } from '../../src/mail/mime/mime.ts'
import { deriveTokenKey, type TokenKeyLookup } from '../../src/correlate/token-keys.ts'
import { formatDeliveryId } from '../../src/correlate/delivery-id.ts'
import { mintToken } from '../../src/correlate/token.ts'
import { fillTracking, planTracking } from '../../src/tracking/mail-edits.ts'
import { readClickPath } from '../../src/tracking/tracking-link.ts'
import type { TrackingSwitches } from '../../src/tracking/tracking-switches.ts'

export const BASE = 'https://t.example.com'
export const FEEDBACK_DOMAIN = 'fb.example.net'
const MASTER = Buffer.alloc(32, 9)
const ACCOUNT = 3
const deliveryId = formatDeliveryId({ day: 2_500, account: ACCOUNT, sequence: 5 }) ?? ''
export const KEY = deriveTokenKey(MASTER, ACCOUNT, 0)
export const keyFor: TokenKeyLookup = (account, index) => deriveTokenKey(MASTER, account, index)

const mint = (purpose: 'tracking' | 'unsubscribe'): string =>
  mintToken({ key: KEY, keyIndex: 0, deliveryId, purpose, domain: FEEDBACK_DOMAIN }) ?? ''
export const TOKENS = { tracking: mint('tracking'), unsubscribe: mint('unsubscribe'), key: KEY }
export const UNSUBSCRIBE_LINK = `${BASE}/u/${TOKENS.unsubscribe}`
export const ALL_ON: TrackingSwitches = { open: true, click: true, unsubscribeFooter: true }

export type TransferEncoding = '7bit' | '8bit' | 'quoted-printable' | 'base64'

export function encodeBody(bytes: Uint8Array, encoding: TransferEncoding): string {
  if (encoding === 'quoted-printable') return encodeQuotedPrintable(bytes)
  return encoding === 'base64' ? encodeBase64Lines(bytes) : Buffer.from(bytes).toString('latin1')
}

/** The header and the body of a text part. */
export function textPart(type: string, bytes: Uint8Array, encoding: TransferEncoding): string {
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${encodeBody(bytes, encoding)}`
}

export function multipart(subtype: string, parts: readonly string[], boundary = `b-${subtype}`): string {
  const body = parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')
  return `Content-Type: multipart/${subtype}; boundary="${boundary}"\r\n\r\n${body}--${boundary}--\r\n`
}

export const HEAD = 'From: News <news@example.com>\r\nTo: joe@example.org\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n'

export const mailOf = (content: string): Buffer => Buffer.from(HEAD + content, 'latin1')

/** The mail as one recipient gets it; the same bytes if nothing of it is tracked. */
export function track(raw: Buffer, switches: TrackingSwitches = ALL_ON): Buffer {
  const plan = planTracking(raw, { switches, base: BASE })
  return plan === null ? raw : fillTracking(plan, TOKENS)
}

/** The decoded leaves of a mail, one character for each byte. */
export function leavesOf(raw: Buffer): readonly { readonly type: string; readonly head: string; readonly text: string }[] {
  const mime = parseMime(raw)
  return mime.parts
    .filter(({ type }) => !type.startsWith('multipart/'))
    .map((part) => ({
      type: part.type,
      head: mime.latin1.slice(part.headerStart, part.bodyStart),
      text: Buffer.from(decodePartBytes(mime, part)).toString('latin1'),
    }))
}

const CLICK_LINK = /https:\/\/t\.example\.com\/c\/([a-z2-7]{30})\/([a-z2-7]{16})\/([\w-]+)/g
const OPEN_IMAGE = /<img src="https:\/\/t\.example\.com\/o\/[a-z2-7]{30}\.gif"[^>]*>/g
const HTML_FOOTER = /<div style="font:12px\/18px[^>]*>[^<]*<a href="https:\/\/t\.example\.com\/u\/[a-z2-7]{30}"[^>]*>[^<]*<\/a><\/div>/g

/** The targets of the click links, each as its link proves it. */
export function targetsIn(text: string): readonly string[] {
  return [...text.matchAll(CLICK_LINK)].map(([, token = '', mac = '', target = '']) => {
    const reading = readClickPath({ token, mac, target }, FEEDBACK_DOMAIN, keyFor)
    return reading.target ?? `invalid: ${target}`
  })
}

/** Removes the tracking of an HTML text whose links had ampersands as character references. */
export function untrackHtml(text: string): string {
  const links = targetsIn(text)
  let index = 0
  return text
    .replaceAll(OPEN_IMAGE, '')
    .replaceAll(HTML_FOOTER, '')
    .replaceAll(CLICK_LINK, () => (links[index++] ?? '').replaceAll('&', '&amp;'))
    .replaceAll(UNSUBSCRIBE_LINK, '%%user_defined_unsubscribe_link%%')
}
