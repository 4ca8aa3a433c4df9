/**
 * transport - the interface that delivers one message and returns the outcome
 *
 * A send resolves exactly once, whatever the server does: with its reply and the phase in which it came, or with the way in which the attempt failed
 * without a reply. A transport does not retry once a server has taken or refused the message; the queue decides about later attempts.
 *
 * Types only. RFC 5321 §3 (the phases), §4.2.1 (replies). See also: smtp-client/smtp-transport (the one that speaks SMTP), smtp-client/routing.
 */
import type { OwnFault, SmtpPhase } from '../ledger/decide/attempt-reading.ts'
import type { SiteConnectionLimits } from '../queue/shaping/limits-in-force.ts'
import type { TlsPolicy } from '../queue/shaping/tls-policy.ts'
import type { DialogueError } from '../ledger/facts/delivery-facts.ts'

/** One message to one recipient. The lines of `raw` end in CRLF. */
export type OutgoingMail = {
  /** '' or anything that is not an address: the system chooses. */
  readonly egressIp: string
  /** The recipient's domain. */
  readonly domain: string
  /** The Return-Path; '' is the null sender. */
  readonly mailFrom: string
  readonly to: string
  readonly raw: Buffer
  /** It tests whether a backoff is over, so it always uses a new connection. */
  readonly isProbe: boolean
  /** Whether the attempt may use an MX host; absent: any. */
  readonly mayUse?: (host: string) => boolean
  /** The limits of connections to the site; absent or null: those of the transport. */
  readonly limits?: SiteConnectionLimits | null
  /** Comes back as Original-Envelope-Id if the server supports DSN (RFC 3461). */
  readonly envelopeId?: string | null
  /** For logs and the trace. It is not sent. */
  readonly deliveryId?: string | null
  /** Called for each connection that is tried or reused; the last one is that of the outcome. */
  readonly onConnection?: (connection: AttemptConnection) => void
}

/** The encryption of a connection. `verified`: the certificate is valid for the host. */
export type TlsInUse = { readonly version: string | null; readonly cipher: string; readonly verified: boolean }

/** A connection of an attempt, open or not. */
export type AttemptConnection = {
  readonly host: string
  readonly address: string
  /** The name in EHLO; null: the host did not accept the connection. */
  readonly ehlo: string | null
  /** Null: not encrypted. */
  readonly tls: TlsInUse | null
  /** It has carried an earlier message. */
  readonly isReused: boolean
  /** Milliseconds until it accepted mail, or failed; null: reused. */
  readonly connectMs: number | null
}

/** `ownFault`: why this host is to blame; absent: it is not. `text` is the whole reply with its code, at most MAX_REPLY_LENGTH characters; `mx` is the host that replied. */
export type SmtpOutcome =
  | { readonly kind: 'reply'; readonly code: number; readonly text: string; readonly mx: string | null; readonly phase: SmtpPhase }
  | {
      readonly kind: 'error'
      readonly error: DialogueError
      readonly text: string
      readonly mx: string | null
      readonly ownFault?: OwnFault
    }

export type Transport = {
  /** Never rejects. */
  readonly send: (mail: OutgoingMail) => Promise<SmtpOutcome>
  /** Ends all connections; messages in flight become `dropped`. Idempotent. */
  readonly close: () => Promise<void>
}

/** One host to try. */
export type NextHop = {
  /** Reported as the MX, and checked against the certificate. */
  readonly name: string
  /** Null: look the name up. */
  readonly address: string | null
  readonly port: number
  readonly tls: TlsPolicy
  /** TLS from the first byte (RFC 8314). */
  readonly implicitTls: boolean
  readonly login: { readonly user: string; readonly pass: string } | null
  /** Send the egress IP in a PROXY header instead of binding to it, for the simulator on loopback. */
  readonly proxy: boolean
}

/** The next hops of a domain in the order in which they are tried, a permanent refusal, or a temporary failure. */
export type RoutingResult =
  | { readonly kind: 'route'; readonly nextHops: readonly NextHop[] }
  | { readonly kind: 'refused'; readonly code: number; readonly text: string }
  | { readonly kind: 'failed'; readonly text: string }

/** Never rejects. */
export type Router = (domain: string) => Promise<RoutingResult>
