/**
 * undo-permit - the permission on the confirmation page to undo one unsubscribe, for 24 hours
 *
 *     <end, base 36>.<change of the unsubscribe entry>.<change of the complaint entry, or 0>.<mac>
 *
 * It names the changes of the list entries that the unsubscribe made, so that it cannot remove an entry that somebody made later. The MAC is
 * the first 128 bits of HMAC-SHA-256, with the account's token key, over `bounced-undo-1`, the unsubscribe token and the three numbers, each
 * terminated by NUL: a link alone, forwarded or not, permits no undo.
 *
 * Pure. See also: service/track/unsubscribe-links, http/tracking/unsubscribe.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** What may be removed. A `complaintChange` of 0: no entry of the complaint list. */
type UndoPermit = { readonly unsubscribeChange: number; readonly complaintChange: number }

/** The unsubscribe token, in any case, and the key that signed it. */
type UndoSubject = { readonly key: Uint8Array; readonly token: string }

const UNDO_MS = 24 * 3_600_000
const UNDO_MAC_VERSION = 'bounced-undo-1'
const MAC_BYTES = 16
const PERMIT_PATTERN = /^([0-9a-z]{1,12})\.(\d{1,9})\.(\d{1,9})\.([\w-]{22})$/

/** The text of a permit that ends 24 hours after `now`. */
export function formatUndoPermit(subject: UndoSubject, permit: UndoPermit, now: number): string {
  const end = now + UNDO_MS
  return `${end.toString(36)}.${permit.unsubscribeChange}.${permit.complaintChange}.${macOf(subject, permit, end)}`
}

/** Reads a permit. Null: not signed by us for this token, changed, or older than 24 hours. Total. */
export function parseUndoPermit(subject: UndoSubject, text: string, now: number): UndoPermit | null {
  const [, endText = '', unsubscribeText = '', complaintText = '', mac = ''] = PERMIT_PATTERN.exec(text) ?? []
  const end = Number.parseInt(endText, 36)
  const permit = { unsubscribeChange: Number(unsubscribeText), complaintChange: Number(complaintText) }
  const expected = Buffer.from(macOf(subject, permit, end), 'latin1')
  const actual = Buffer.from(mac, 'latin1')
  const isAuthentic = actual.length === expected.length && timingSafeEqual(actual, expected)
  // The canonical text, so that a permit has one spelling.
  const isCanonical = text === `${end.toString(36)}.${permit.unsubscribeChange}.${permit.complaintChange}.${mac}`
  return isAuthentic && isCanonical && now < end ? permit : null
}

function macOf({ key, token }: UndoSubject, { unsubscribeChange, complaintChange }: UndoPermit, end: number): string {
  const signedText = `${UNDO_MAC_VERSION}\0${token.toLowerCase()}\0${end}\0${unsubscribeChange}\0${complaintChange}\0`
  return createHmac('sha256', key).update(signedText, 'utf8').digest().subarray(0, MAC_BYTES).toString('base64url')
}
