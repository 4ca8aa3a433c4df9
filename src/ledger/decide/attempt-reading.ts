/**
 * attempt-reading - reads the outcome of one SMTP delivery attempt, for the ledger and for the queue
 *
 * The only reader of SMTP outcomes: our own deliveries, the attempts that senders report, and the simulator use it. It parses the reply and
 * classifies it by the rules in force. An attempt that ended without a reply, and whose text matches no rule, did not reach the server.
 *
 * Pure. RFC 5321 §4.2 (replies). See also: ledger/decide/attempt (the facts), classify/classify, queue/message (the result),
 * service/deliver/sender, service/submit/reported-attempts, simulator/cached-reader.
 */
import { classify } from '../../classify/classify.ts'
import { siteOf } from '../../classify/provider.ts'
import { type Reason, REASONS } from '../../classify/reasons.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { BackoffClass, ProviderHint, Verdict } from '../../classify/verdict.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { collapseWhitespace, parseReply } from '../../mail/smtp/reply.ts'
import { parseStatedDelayMs } from '../../mail/smtp/stated-delay.ts'
import type { DialogueError } from '../facts/delivery-facts.ts'
import type { ObservedAttempt } from './attempt.ts'

/**
 * Why this host did not get as far as the destination: it cannot use the egress IP (`egress`), has no route from it (`no-route`), or no host of the
 * domain has an address of its family (`no-family`).
 */
export type OwnFault = 'egress' | 'no-route' | 'no-family'

/** The phase of the session in which a reply came. `route`: no session, because DNS refuses the domain (no such domain, null MX). */
export type SmtpPhase = 'route' | 'greeting' | 'ehlo' | 'starttls' | 'mail' | 'rcpt' | 'data' | 'end'

/** How an attempt ended: with a reply, or without one. `mx` is the host that spoke; null: none did. `phase` absent: not known. */
export type DialogueOutcome =
  | { readonly kind: 'reply'; readonly code: number; readonly text: string; readonly mx: string | null; readonly phase?: SmtpPhase }
  | {
      readonly kind: 'error'
      readonly error: DialogueError
      readonly text: string
      readonly mx: string | null
      readonly ownFault?: OwnFault
    }

/** The attempt whose outcome is read. `site` is used if no host replied. */
export type AttemptSubject = { readonly attempt: number; readonly egressIp: string; readonly site: string; readonly domain: string }

/** A refusal as the queue takes it. */
export type RefusedAttempt = {
  readonly kind: 'refused'
  readonly code: number | null
  /** The reply in one line; kept as evidence. */
  readonly text: string
  readonly reason: Reason
  readonly pause: BackoffClass | null
  /** Whether to retry (the verdict's `deferral`). */
  readonly deferral: boolean
  /** The delay that the reply states ("try again in five minutes"); null: none. */
  readonly statedDelayMs: number | null
  /** The provider's IANA time zone, in which its quotas are reset; null: UTC. */
  readonly zone: string | null
}

export type ReadResult =
  | { readonly kind: 'accepted' }
  | RefusedAttempt
  /**
   * No reply: the name was not found (`dns`), no host accepted the connection or replied in time (`connect`), the connection broke (`dropped`), or
   * this host is at fault.
   */
  | { readonly kind: 'unreachable'; readonly how: 'dns' | 'connect' | 'dropped' | OwnFault; readonly text: string }

/** One attempt: for the ledger (the queue decides `final`), with its verdict (null for a 2xx), and for the queue. */
export type AttemptReading = { readonly attempt: ObservedAttempt; readonly verdict: Verdict | null; readonly result: ReadResult }

/** A reading that the queue never takes as a result. */
export type RecordedAttempt = Omit<AttemptReading, 'result'>

/** Classifies what an attempt at a domain met. Do not call it for a 2xx. Total. */
export function classifyAttempt(table: RuleTable, domain: string, attempt: ObservedAttempt): Verdict {
  const reply = { ...parseReply(attempt.text), code: attempt.code, status: attempt.status }
  const hints: ProviderHint[] = [
    ...(attempt.mx === null ? [] : [{ source: 'delivery-mx', value: attempt.mx } as const]),
    { source: 'recipient-domain', value: domain },
  ]
  const verdict = classify(table, { reply, reportStatus: null, action: 'failed', text: attempt.text, hints })
  if (attempt.error === null || verdict.reason !== 'other') return verdict
  const { fault, temporary } = REASONS.unreachable
  return {
    ...verdict,
    reason: 'unreachable',
    fault,
    permanence: 'temporary',
    subStatus: temporary,
    rule: `dialogue-${attempt.error}`,
    backoffClass: 'network',
  }
}

/** Reads the outcome of an attempt. Total. */
export function readAttempt(table: RuleTable, subject: AttemptSubject, outcome: DialogueOutcome): AttemptReading {
  const text = collapseWhitespace(outcome.text)
  const attempt: ObservedAttempt = {
    n: subject.attempt,
    code: outcome.kind === 'reply' ? outcome.code : null,
    status: parseReply(outcome.text).status,
    text,
    error: outcome.kind === 'error' ? outcome.error : null,
    mx: outcome.mx,
    egressIp: subject.egressIp,
    site: outcome.mx === null ? subject.site : siteOf(table, { mx: outcome.mx, domain: subject.domain }).site,
    final: null,
    source: 'queue',
  }
  if (outcome.kind === 'reply' && outcome.code < 300) return { attempt, verdict: null, result: { kind: 'accepted' } }
  const verdict = classifyAttempt(table, subject.domain, attempt)
  const result: ReadResult =
    outcome.kind === 'error'
      ? { kind: 'unreachable', how: outcome.ownFault ?? UNREACHABLE_BY_ERROR[outcome.error], text }
      : resultInPhase(outcome.phase, refusedResult(table, attempt, verdict))
  return { attempt, verdict, result }
}

/** What an attempt that another MTA reports teaches backoff keys. `verdict`: null for a 2xx. Null: its fate is not known. Total. */
export function resultOfReported(table: RuleTable, attempt: ObservedAttempt, verdict: Verdict | null): ReadResult | null {
  if (verdict === null) return { kind: 'accepted' }
  if (attempt.error === null) return refusedResult(table, attempt, verdict)
  return attempt.error === 'unknown' ? null : { kind: 'unreachable', how: UNREACHABLE_BY_ERROR[attempt.error], text: attempt.text }
}

/** A connection that broke during the dialogue is no evidence about the network. A peer that stopped replying counts as unreachable. */
const UNREACHABLE_BY_ERROR = {
  dns: 'dns',
  connect: 'connect',
  timeout: 'connect',
  tls: 'dropped',
  dropped: 'dropped',
} as const satisfies Record<DialogueError, 'dns' | 'connect' | 'dropped'>

/** The phases in which the server has heard of no message yet. */
const CONNECTION_PHASES: ReadonlySet<SmtpPhase> = new Set(['greeting', 'ehlo', 'starttls'])

/** The classes of a refusal that the message itself causes. */
const MESSAGE_CLASSES: ReadonlySet<BackoffClass | null> = new Set([null, 'recipient', 'content'])

/**
 * A refusal before MAIL concerns the connection, whatever its words say: the message is kept. A 554 greeting means that there is no SMTP service on the
 * host (RFC 5321 §3.1), so a 5xx without a class of its own counts like a host that cannot be reached.
 */
function resultInPhase(phase: SmtpPhase | undefined, result: RefusedAttempt): RefusedAttempt {
  if (phase === undefined || !CONNECTION_PHASES.has(phase)) return result
  const isWithoutService = (result.code ?? 0) >= 500 && MESSAGE_CLASSES.has(result.pause)
  return { ...result, deferral: true, pause: isWithoutService ? 'network' : result.pause }
}

function refusedResult(table: RuleTable, { code, text }: ObservedAttempt, verdict: Verdict): RefusedAttempt {
  const { reason, backoffClass, deferral, evidence } = verdict
  const zone = table.files.find(({ provider }) => provider === evidence.provider)?.zone ?? null
  const statedDelayMs = deferral ? parseStatedDelayMs(text) : null
  return { kind: 'refused', code, text, reason, pause: backoffClass, deferral, statedDelayMs, zone }
}

/** The backoff class of a key that kept a message waiting, and the last reply that the key keeps. */
type BlockingReply = { readonly class: string | null; readonly reply: { readonly code: number | null; readonly text: string } | null }

/**
 * Why a message expired that never got a reply: the blocking key's last reply, read as if it had been sent to this message. Null where a
 * limit or a pause of our own kept it. Local parts are left out, because the reply may have been sent to another account.
 */
export function verdictOfBlockingKey(table: RuleTable, domain: string, blockingKey: BlockingReply | null): Verdict | null {
  if (blockingKey === null || blockingKey.class === null) return null
  const { reply } = blockingKey
  const text = redactLocalParts(reply?.text ?? '')
  const error = blockingKey.class === 'network' ? 'connect' : null
  return classifyAttempt(table, domain, { ...NO_REPLY_ATTEMPT, text, status: parseReply(text).status, code: reply?.code ?? null, error })
}

/** An attempt of which nothing is known. */
export const NO_REPLY_ATTEMPT: ObservedAttempt = {
  n: null,
  code: null,
  status: null,
  text: '',
  error: null,
  mx: null,
  egressIp: null,
  site: '',
  final: false,
  source: 'queue',
}

/** An attempt with an unknown outcome: its node ended before it recorded the reply. */
export function readUncertainAttempt(subject: Pick<AttemptSubject, 'attempt' | 'domain'>, table: RuleTable): RecordedAttempt {
  const text = 'the sending node ended before it recorded the reply'
  const { site } = siteOf(table, { domain: subject.domain })
  const attempt: ObservedAttempt = { ...NO_REPLY_ATTEMPT, n: subject.attempt, text, error: 'unknown', site }
  return { attempt, verdict: classifyAttempt(table, subject.domain, attempt) }
}

/** Recorded for a message that could not be composed until it expired. The log holds the fault of each try. */
export const NOT_COMPOSED_TEXT = 'the sending node could not compose this mail; nothing was sent'

/** The last attempt of a message that could not be composed. */
export function readUncomposedAttempt(subject: Pick<AttemptSubject, 'attempt' | 'domain'>, table: RuleTable): RecordedAttempt {
  const { site } = siteOf(table, { domain: subject.domain })
  const attempt: ObservedAttempt = { ...NO_REPLY_ATTEMPT, n: subject.attempt, text: NOT_COMPOSED_TEXT, site }
  return { attempt, verdict: classifyAttempt(table, subject.domain, attempt) }
}
