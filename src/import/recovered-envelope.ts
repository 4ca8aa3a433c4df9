/**
 * recovered-envelope - reconstructs the envelope and the time of a mail that was stored without them
 *
 * A mail in a file has no MAIL FROM and no RCPT TO. The recipient is the first address at one of our domains in Delivered-To, X-Original-To,
 * Envelope-To, X-Envelope-To, X-Rcpt-To, the `for` clause of Received, and To, because an alias is often delivered elsewhere first. When none
 * is at our domains, it is the first address of all. The sender is Return-Path. The time is that of the topmost Received, otherwise Date.
 *
 * Total. RFC 5321 §4.4 (trace fields). See also: import/mail-sources, import/replay.
 */
import { extractAddresses } from '../mail/mime/address.ts'
import { parseDate } from '../mail/mime/date.ts'
import { getHeaders, getRawHeader, type Headers } from '../mail/mime/header.ts'
import { parseMime } from '../mail/mime/mime.ts'

/** `at` is epoch milliseconds. */
type RecoveredEnvelope = { readonly from: string; readonly to: string; readonly at: number | null }

/** Header fields that name the final recipient, in order of trust. */
const RECIPIENT_HEADERS = ['delivered-to', 'x-original-to', 'envelope-to', 'x-envelope-to', 'x-rcpt-to'] as const

/** The `for` clause of Received: `for <a@b>;`. */
const RECEIVED_FOR = /\bfor\s+<?([^\s<>;@]{1,320}@[^\s<>;]{1,255})>?/i

/** Returns the envelope of one mail. `to` is empty when the mail has no address, `at` is null when it has no date. */
export function recoverEnvelope(raw: Uint8Array, domains: readonly string[]): RecoveredEnvelope {
  const { headers } = parseMime(raw.subarray(0, MAX_HEADER_BYTES)).root
  const received = getHeaders(headers, 'received')
  const candidates = [
    ...RECIPIENT_HEADERS.flatMap((name) => addressesOf(headers, name)),
    ...received.map((line) => RECEIVED_FOR.exec(line)?.[1] ?? '').filter((address) => address !== ''),
    ...addressesOf(headers, 'to'),
  ]
  const ownAddress = candidates.find((address) => domains.includes(address.slice(address.lastIndexOf('@') + 1).toLowerCase()))
  return {
    from: addressesOf(headers, 'return-path')[0] ?? '',
    to: ownAddress ?? candidates[0] ?? '',
    at: receivedTimeOf(headers, received),
  }
}

/** Trace fields are at the top of a mail, so only its first bytes are read. */
const MAX_HEADER_BYTES = 262_144

function addressesOf(headers: Headers, name: string): readonly string[] {
  return getHeaders(headers, name).flatMap((value) => extractAddresses(value).map(({ address }) => address))
}

/** Returns the date after the last semicolon of the topmost Received. A mail from a local pipe may have none. */
function receivedTimeOf(headers: Headers, received: readonly string[]): number | null {
  const top = received[0]
  const receivedTime = top === undefined ? null : parseDate(top.slice(top.lastIndexOf(';') + 1))
  return receivedTime ?? parseDate(getRawHeader(headers, 'date') ?? '')
}
