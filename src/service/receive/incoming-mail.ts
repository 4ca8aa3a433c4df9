/**
 * incoming-mail - one mail on its way in, as every door hands it over
 *
 * SMTP, replay and the pipe make the same value, so that what follows cannot tell them apart but by `source`.
 * See also: smtp-server/listener, import/replay, service/receive/receive.
 */
import { hash } from 'node:crypto'

export type IncomingMail = {
  /** The DATA bytes; of a mail over the limit the first `KEPT_OF_LARGE` only. */
  readonly raw: Uint8Array
  /** Bytes that came, more than `raw` holds when truncated. */
  readonly size: number
  readonly truncated: boolean
  /** SHA-256 of all DATA bytes, hex. */
  readonly dataDigest: string
  readonly envelope: { readonly from: string; readonly to: string }
  readonly peer: string | null
  readonly helo: string | null
  /** When it happened, epoch ms; equal to `receivedAt` but for replays. */
  readonly at: number
  readonly receivedAt: number
  readonly source: 'smtp' | 'replay'
  /** `operator`: an operator vouches for the mail (audited), so that it needs no DKIM. */
  readonly trustAs: 'operator' | null
  /** One id from the SMTP session to the event. */
  readonly sessionId: string
}

/** What is kept of a mail over the limit, in bytes. DESIGN, Edges. */
export const TRUNCATED_MAIL_BYTES = 1_048_576

/** The name of a report: SHA-256 over the DATA bytes and the envelope recipient, hex. It settles a mail that is delivered twice. */
export function reportDigest(dataDigest: string, recipient: string): string {
  return hash('sha256', `${dataDigest}\n${recipient.toLowerCase()}`)
}
