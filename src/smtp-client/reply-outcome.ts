/**
 * reply-outcome - what an SMTP dialogue came to, read from the replies alone
 *
 * A client that sends its commands at once (PIPELINING) may see the line break when the refusal is long there; so the outcome is read from
 * what the peer has said, in the order of the commands, and not from how the connection ended. The first reply that is not the one hoped for is
 * the answer. Total: any text of a peer gives a value.
 *
 * Pure. RFC 5321 §4.2, §4.3.2 (which replies a command may have). See also: smtp-client/client-session.
 */
import type { AttemptError } from '../ledger/facts/fact.ts'
import { MAX_REPLY_LENGTH } from '../mail/smtp/reply.ts'
import type { SmtpOutcome, SmtpPhase } from './transport.ts'

/** The commands of one mail, and what lets the next one follow. */
const COMMAND_STEPS = [
  { phase: 'mail', good: /^2/ },
  { phase: 'rcpt', good: /^2/ },
  { phase: 'data', good: /^[23]/ },
  { phase: 'end', good: /^2/ },
] as const satisfies readonly { readonly phase: SmtpPhase; readonly good: RegExp }[]

/** Whether three digits stand in front, as RFC 5321 has them: what else a peer says is no reply. */
const REPLY_CODE = /^([2-5]\d\d)(?:[ -]|$)/

/** The reply as an outcome; null where it is none. */
export function replyOutcome(raw: string, phase: SmtpPhase, mx: string | null): SmtpOutcome | null {
  const text = sanitise(raw)
  const code = REPLY_CODE.exec(text)?.[1]
  return code === undefined ? null : { kind: 'reply', code: Number(code), text, mx, phase }
}

/** What went wrong without a reply. */
export function errorOutcome(error: AttemptError, text: string, mx: string | null): SmtpOutcome {
  return { kind: 'error', error, text: sanitise(text), mx }
}

/**
 * The outcome of one mail by the replies to its commands; `why` is how the line ended, for when they are too few. A reply that is none breaks
 * the dialogue: what comes after it cannot be told apart.
 *
 *     readDialogue(['250 ok', '550 5.1.1 no such user'], 'closed', 'mx.example')   → { code: 550, phase: 'rcpt', … }
 */
export function outcomeOfReplies(replies: readonly string[], closeReason: string, mx: string | null): SmtpOutcome {
  for (const [n, { phase, good: expected }] of COMMAND_STEPS.entries()) {
    const raw = replies[n]
    if (raw === undefined) return errorOutcome('dropped', `${closeReason} (${PHASE_TEXTS[phase]})`, mx)
    const outcome = replyOutcome(raw, phase, mx)
    if (outcome === null) return errorOutcome('dropped', `no SMTP reply (${PHASE_TEXTS[phase]}): ${raw.slice(0, 200)}`, mx)
    if (phase === 'end')
      return isFinalReply(outcome, expected) ? outcome : errorOutcome('dropped', `an answer out of turn: ${raw.slice(0, 200)}`, mx)
    if (!expected.test(raw))
      return isErrorReply(outcome) ? outcome : errorOutcome('dropped', `an answer out of turn: ${raw.slice(0, 200)}`, mx)
  }
  return errorOutcome('dropped', closeReason, mx)
}

const PHASE_TEXTS = {
  mail: 'before its answer to MAIL',
  rcpt: 'before its answer to RCPT',
  data: 'before its answer to DATA',
  end: 'after the mail, before its answer',
} as const

const isErrorReply = (outcome: SmtpOutcome): boolean => outcome.kind === 'reply' && outcome.code >= 400

/** At the end a 3xx makes no sense. */
const isFinalReply = (outcome: SmtpOutcome, expected: RegExp): boolean =>
  outcome.kind === 'reply' && (expected.test(outcome.text) || outcome.code >= 400)

/** Stored and shown as text: no NUL, no control characters but line feeds, no more than anybody reads. */
function sanitise(raw: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what it is about
  const text = raw.replaceAll('\r\n', '\n').replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '\ufffd')
  return text.slice(0, MAX_REPLY_LENGTH).toWellFormed()
}
