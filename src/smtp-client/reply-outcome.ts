/**
 * reply-outcome - reads the outcome of one message from the replies to its commands
 *
 * With PIPELINING a connection can break after the refusal has arrived. The outcome therefore comes from the replies, in the order of the commands, and
 * not from how the connection ended. The first reply that is not the expected one decides.
 *
 * Pure and total. RFC 5321 §4.2, §4.3.2 (which replies a command may have). See also: smtp-client/mail-transaction.
 */
import type { SmtpPhase } from '../ledger/decide/attempt-reading.ts'
import type { DialogueError } from '../ledger/facts/delivery-facts.ts'
import { MAX_REPLY_LENGTH } from '../mail/smtp/reply.ts'
import type { SmtpOutcome } from './transport.ts'

/** The commands of one message, and the reply after which the next one follows. Some servers reply 250 to DATA. */
export const COMMAND_STEPS = [
  { phase: 'mail', expected: /^2/ },
  { phase: 'rcpt', expected: /^2/ },
  { phase: 'data', expected: /^[23]/ },
  { phase: 'end', expected: /^2/ },
] as const satisfies readonly { readonly phase: SmtpPhase; readonly expected: RegExp }[]

/** The code at the start of a reply; a text without one is not an SMTP reply. */
export const REPLY_CODE = /^([2-5]\d\d)(?:[ -]|$)/

/** Turns a reply into an outcome; null: the text is not an SMTP reply. */
export function outcomeOfReply(raw: string, phase: SmtpPhase, mx: string | null): SmtpOutcome | null {
  const text = sanitise(raw)
  const code = REPLY_CODE.exec(text)?.[1]
  return code === undefined ? null : { kind: 'reply', code: Number(code), text, mx, phase }
}

/** The outcome of an attempt that had no reply. */
export function errorOutcome(error: DialogueError, text: string, mx: string | null): SmtpOutcome {
  return { kind: 'error', error, text: sanitise(text), mx }
}

/**
 * The outcome of one message by the replies to its commands. `closeReason` is why the connection ended, in case replies are missing. A text that is not
 * an SMTP reply ends the reading, because what follows it cannot be assigned to a command.
 *
 *     outcomeOfReplies(['250 ok', '550 5.1.1 no such user'], 'closed', 'mx.example')   → { kind: 'reply', code: 550, phase: 'rcpt', … }
 */
export function outcomeOfReplies(replies: readonly string[], closeReason: string, mx: string | null): SmtpOutcome {
  for (const [n, { phase, expected }] of COMMAND_STEPS.entries()) {
    const raw = replies[n]
    if (raw === undefined) return errorOutcome('dropped', `${closeReason} (${PHASE_TEXTS[phase]})`, mx)
    const outcome = outcomeOfReply(raw, phase, mx)
    if (outcome === null) return errorOutcome('dropped', `not an SMTP reply (${PHASE_TEXTS[phase]}): ${raw.slice(0, 200)}`, mx)
    if (phase === 'end')
      return isFinalReply(outcome, expected) ? outcome : errorOutcome('dropped', `unexpected reply: ${raw.slice(0, 200)}`, mx)
    if (!expected.test(raw)) return isErrorReply(outcome) ? outcome : errorOutcome('dropped', `unexpected reply: ${raw.slice(0, 200)}`, mx)
  }
  return errorOutcome('dropped', closeReason, mx)
}

const PHASE_TEXTS = {
  mail: 'before the reply to MAIL',
  rcpt: 'before the reply to RCPT',
  data: 'before the reply to DATA',
  end: 'before the reply to the message',
} as const

const isErrorReply = (outcome: SmtpOutcome): boolean => outcome.kind === 'reply' && outcome.code >= 400

/** A 3xx after the message makes no sense. */
const isFinalReply = (outcome: SmtpOutcome, expected: RegExp): boolean =>
  outcome.kind === 'reply' && (expected.test(outcome.text) || outcome.code >= 400)

/** Makes a reply fit to store and show: line feeds are the only control characters, and the length is bounded. */
function sanitise(raw: string): string {
  const text = raw.replaceAll('\r\n', '\n').replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '\ufffd')
  return text.slice(0, MAX_REPLY_LENGTH).toWellFormed()
}
