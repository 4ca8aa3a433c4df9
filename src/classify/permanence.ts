/**
 * permanence - whether a failure is permanent, and its sub status
 *
 * The first source that has an answer decides: the rule; the reason; the first digit of the remote server's reply code; the class of the
 * enhanced code in that reply; the class of the report's Status field (`weak`); the words "permanent error" in a reply without any code;
 * the reason's default.
 *
 * Pure. See also: classify/reasons (the table).
 */
import { type Reason, type ReasonRow, REASONS } from './reasons.ts'
import { statusClassOf } from './status-pattern.ts'
import type { Permanence, PermanenceSource } from './verdict.ts'

/**
 * What a server without reply codes says. Only the text of the remote reply is read: "this is a permanent error" in the introduction of a
 * report is what its writer says of every failure.
 */
const SAYS_PERMANENT =
  /\bpermanent(?:ly)? (?:(?:fatal|delivery|remote|smtp|mail) )?(?:errors?|failures?|failed|rejected|refused|undeliverable)\b/i
/** Denials, and what qmail, Exim and Sendmail write above every failure. */
const DENIES_PERMANENT = /\b(?:not|no|non)[ -](?:a )?permanent|\bthis is a permanent (?:error|failure)|\bhad permanent\b/i

type PermanenceInput = {
  readonly rulePermanence: Permanence | null
  readonly reason: Reason
  readonly code: number | null
  readonly status: string | null
  readonly reportStatus: string | null
  /** The text of the remote reply; empty if there is none. */
  readonly replyText: string
}

const PERMANENCE_BY_CLASS: Readonly<Record<number, Permanence>> = { 4: 'temporary', 5: 'permanent' }
const permanenceOfReason = (reason: Reason): Permanence | null => {
  const row: ReasonRow = REASONS[reason]
  return row.permanence.always ?? null
}
const permanenceOfCode = (code: number | null): Permanence | null =>
  code === null ? null : (PERMANENCE_BY_CLASS[Math.floor(code / 100)] ?? null)
const permanenceOfStatus = (status: string | null): Permanence | null => PERMANENCE_BY_CLASS[statusClassOf(status) ?? 0] ?? null

const permanenceOfWords = (text: string): Permanence | null =>
  SAYS_PERMANENT.test(text) && !DENIES_PERMANENT.test(text) ? 'permanent' : null

/** The sources in order of precedence. */
const SOURCES: readonly (readonly [PermanenceSource, (input: PermanenceInput) => Permanence | null])[] = [
  ['rule', ({ rulePermanence }) => rulePermanence],
  ['reason', ({ reason }) => permanenceOfReason(reason)],
  ['reply-code', ({ code }) => permanenceOfCode(code)],
  ['reply-status', ({ status }) => permanenceOfStatus(status)],
  ['report-status', ({ reportStatus }) => permanenceOfStatus(reportStatus)],
  ['reply-words', ({ replyText }) => permanenceOfWords(replyText)],
]

/** Returns the permanence and its source. Total. */
export function permanenceOf(input: PermanenceInput): {
  readonly permanence: Permanence
  readonly from: PermanenceSource
} {
  for (const [from, read] of SOURCES) {
    const permanence = read(input)
    if (permanence !== null) return { permanence, from }
  }
  return { permanence: REASONS[input.reason].permanence.default, from: 'default' }
}

type SubStatusPolicy = 'by-permanence' | 'by-channel'

/**
 * The sub status of a failure. Under `by-permanence` it depends on the permanence alone. Under `by-channel` a final refusal in the SMTP
 * session is invalid (40x), and anything that is reported after acceptance is a soft bounce (50x). `unreachable` is 403 if our own session
 * gave up and 503 if somebody else reports it. Total.
 */
export function subStatusOf(input: {
  readonly reason: Reason
  readonly permanence: Permanence
  readonly policy: SubStatusPolicy
  readonly asynchronous: boolean
}): number {
  const row = REASONS[input.reason]
  if (input.reason === 'unreachable') return input.asynchronous ? row.temporary : row.permanent
  const isPermanent = input.permanence === 'permanent' && !(input.policy === 'by-channel' && input.asynchronous)
  return isPermanent ? row.permanent : row.temporary
}
