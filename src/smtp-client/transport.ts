/**
 * transport - carries one mail to where its domain is served, and tells what was answered
 *
 * A send resolves exactly once, whatever the peer does: with its reply, in the phase in which it came, or with the way in which it failed to
 * reply. Nothing is tried again once a peer has taken or refused the mail; whether to try later is the queue's business.
 *
 * Types only. RFC 5321 §3 (the phases), §4.2.1 (replies). See also: smtp-client/smtp-transport (the one that speaks SMTP), smtp-client/routing.
 */
import type { AttemptError } from '../ledger/facts/fact.ts'

/** One mail to one recipient. `raw` ends its lines in CRLF. */
export type OutgoingMail = {
  /** The address that it leaves by; '' or no address: the system chooses. */
  readonly egressIp: string
  /** The recipient's domain. */
  readonly domain: string
  /** The Return-Path; '' is the null sender. */
  readonly mailFrom: string
  readonly to: string
  readonly raw: Buffer
  /** It tries whether a pause is over: it never leaves by a connection that was kept. */
  readonly isProbe: boolean
  /** Comes back as Original-Envelope-Id where the peer knows DSN (RFC 3461). */
  readonly envelopeId?: string | null
}

/** Where in the dialogue a reply came. `route`: before any dialogue, DNS itself says no (no such domain, null MX). */
export type SmtpPhase = 'route' | 'greeting' | 'ehlo' | 'starttls' | 'mail' | 'rcpt' | 'data' | 'end'

/** `text` is the reply as it came, code and all its lines, at most MAX_REPLY characters; `mx` the host that spoke. */
export type SmtpOutcome =
  | { readonly kind: 'reply'; readonly code: number; readonly text: string; readonly mx: string | null; readonly phase: SmtpPhase }
  | { readonly kind: 'error'; readonly error: AttemptError; readonly text: string; readonly mx: string | null }

export type Transport = {
  /** Never rejects. */
  readonly send: (mail: OutgoingMail) => Promise<SmtpOutcome>
  /** Ends the connections; what is under way becomes `dropped`. Idempotent. */
  readonly close: () => Promise<void>
}

/** `opportunistic`: encrypted where offered, in the clear else; `required`: never in the clear; `verified`: and the certificate holds. */
const TLS_POLICIES = ['off', 'opportunistic', 'required', 'verified'] as const
export type TlsPolicy = (typeof TLS_POLICIES)[number]

/** One host to try. */
export type NextHop = {
  /** Told as the MX, and asked for in TLS. */
  readonly name: string
  /** Null: its name is looked up. */
  readonly address: string | null
  readonly port: number
  readonly tls: TlsPolicy
  /** TLS from the first byte (RFC 8314). */
  readonly implicitTls: boolean
  readonly login: { readonly user: string; readonly pass: string } | null
  /** The egress IP is told in a PROXY header instead of being bound: our own laboratory has to know it, and has no such network. */
  readonly proxy: boolean
}

/** Where a domain's mail goes: hosts in the order in which they are tried, a no for good, or a no for now. */
export type RoutingResult =
  | { readonly kind: 'stops'; readonly stops: readonly NextHop[] }
  | { readonly kind: 'refused'; readonly code: number; readonly text: string }
  | { readonly kind: 'failed'; readonly text: string }

/** Never rejects. */
export type Router = (domain: string) => Promise<RoutingResult>
