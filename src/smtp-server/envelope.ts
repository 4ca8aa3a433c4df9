/**
 * envelope - the envelope and the time of a mail that has lost them
 *
 * A mail in a file has no MAIL FROM and no RCPT TO any more. The recipient is the first address at one of our domains in
 * Delivered-To, X-Original-To, Envelope-To, X-Envelope-To, the `for` of Received, and To (an alias is often delivered elsewhere first); where none is ours,
 * the first of them. The sender is Return-Path. The time is that of the topmost Received, else Date.
 *
 * Total. RFC 5321 §4.4 (trace fields). See also: import/mail-sources, import/replay.
 */
import { extractAddresses } from '../mail/mime/address.ts'
import { parseDate } from '../mail/mime/date.ts'
import { getHeaders, getRawHeader, type Headers } from '../mail/mime/header.ts'
import { parseMime } from '../mail/mime/mime.ts'

export type RecoveredEnvelope = { readonly from: string; readonly to: string; readonly at: number | null }

/** Where a final recipient is written, in order of trust. */
const RECIPIENT_HEADERS = ['delivered-to', 'x-original-to', 'envelope-to', 'x-envelope-to', 'x-rcpt-to'] as const

/** Received's `for` clause: `for <a@b>;`. */
const RECEIVED_FOR = /\bfor\s+<?([^\s<>;@]{1,320}@[^\s<>;]{1,255})>?/i

/** The envelope of one mail. `to` is empty where no address is to be found; `at` is null where no date is. */
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

/** Trace fields stand at the top; what follows is the mail's own matter. Bytes. */
const MAX_HEADER_BYTES = 262_144

function addressesOf(headers: Headers, name: string): readonly string[] {
  return getHeaders(headers, name).flatMap((value) => extractAddresses(value).map(({ address }) => address))
}

/** The date behind the last semicolon of the topmost Received; a mail of a local pipe may have none. */
function receivedTimeOf(headers: Headers, received: readonly string[]): number | null {
  const top = received[0]
  const receivedTime = top === undefined ? null : parseDate(top.slice(top.lastIndexOf(';') + 1))
  return receivedTime ?? parseDate(getRawHeader(headers, 'date') ?? '')
}
