/**
 * attempt-reading - what an SMTP dialogue came to: for the ledger, and for the queue
 *
 * The same reading for what our own queue heard and for what senders tell us: the reply is parsed and classified by the rules in force. A
 * dialogue that never came to a reply, and of whose text no rule knows anything, did not reach the server.
 *
 * Pure. See also: smtp-client/transport (outcomes), queue/message (answers), service/submit/reported-attempts, service/deliver/sender.
 */
import { classify } from '../../classify/classify.ts'
import { siteOf } from '../../classify/provider.ts'
import { REASONS } from '../../classify/reasons.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { ClassifierInput, Verdict } from '../../classify/verdict.ts'
import type { SmtpOutcome } from '../../smtp-client/transport.ts'
import type { ObservedAttempt } from '../../ledger/decide/attempt.ts'
import type { AttemptError } from '../../ledger/facts/fact.ts'
import { collapseWhitespace, parseReply } from '../../mail/smtp/reply.ts'
import { parseStatedDelayMs } from '../../mail/smtp/stated-delay.ts'
import type { AttemptResult, Dispatch, BlockingKey } from '../../queue/message.ts'
import { redactLocalParts } from '../../queue/observe/transition-facts.ts'

/** What a dialogue with a domain's host means. Of a 2xx nothing is asked. */
export function classifyAttempt(table: RuleTable, domain: string, attempt: ObservedAttempt): Verdict {
  const reply = { ...parseReply(attempt.text), code: attempt.code, status: attempt.status }
  const clues: ClassifierInput['hints'] = [
    ...(attempt.mx === null ? [] : [{ source: 'delivery-mx', value: attempt.mx } as const]),
    { source: 'recipient-domain', value: domain },
  ]
  const verdict = classify(table, { reply, reportStatus: null, action: 'failed', text: attempt.text, hints: clues })
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

/** One attempt of ours: for the ledger (`final` is the queue's word), with its verdict (null for a 2xx), and for the queue. */
export type AttemptReading = { readonly attempt: ObservedAttempt; readonly verdict: Verdict | null; readonly answer: AttemptResult }

/** Reads what the transport brought back. Total. */
export function readAttempt(table: RuleTable, dispatch: Dispatch, outcome: SmtpOutcome): AttemptReading {
  const text = collapseWhitespace(outcome.text)
  const attempt: ObservedAttempt = {
    n: dispatch.attempt,
    code: outcome.kind === 'reply' ? outcome.code : null,
    status: parseReply(outcome.text).status,
    text,
    error: outcome.kind === 'error' ? outcome.error : null,
    mx: outcome.mx,
    egressIp: dispatch.egressIp,
    site: outcome.mx === null ? dispatch.site : siteOf(table, { mx: outcome.mx, domain: dispatch.domain }).site,
    final: null,
    source: 'queue',
  }
  if (outcome.kind === 'reply' && outcome.code < 300) return { attempt, verdict: null, answer: { kind: 'accepted' } }
  const verdict = classifyAttempt(table, dispatch.domain, attempt)
  return {
    attempt,
    verdict,
    answer: outcome.kind === 'error' ? unreachableAnswer(outcome.error, text) : refusedAnswer(table, attempt, verdict),
  }
}

/** A line that broke in the dialogue says nothing of the network; a peer that fell silent in it is as good as away. */
const UNREACHABLE_BY_ERROR = {
  dns: 'dns',
  connect: 'connect',
  timeout: 'connect',
  tls: 'dropped',
  dropped: 'dropped',
} as const satisfies Record<AttemptError, 'dns' | 'connect' | 'dropped'>

const unreachableAnswer = (error: AttemptError, text: string): AttemptResult => ({
  kind: 'unreachable',
  how: UNREACHABLE_BY_ERROR[error],
  text,
})

function refusedAnswer(table: RuleTable, { code, text }: ObservedAttempt, verdict: Verdict): AttemptResult {
  const { reason, backoffClass: pause, deferral, evidence } = verdict
  const zone = table.files.find(({ provider }) => provider === evidence.provider)?.zone ?? null
  return { kind: 'refused', code, text, reason, pause, deferral, statedDelayMs: deferral ? parseStatedDelayMs(text) : null, zone }
}

/**
 * Why a mail was given up that was never answered: what the key that held it was told, read as if it had been told to the mail. Null: it
 * was held by a limit or a pause of our own. Names are left out, for the answer may have been another account's.
 */
export function verdictOfBlockingKey(table: RuleTable, domain: string, heldBy: BlockingKey | null): Verdict | null {
  if (heldBy === null || heldBy.class === null) return null
  const { reply } = heldBy
  const text = redactLocalParts(reply?.text ?? '')
  const isNetwork = heldBy.class === 'network'
  const { status } = parseReply(text)
  return classifyAttempt(table, domain, { ...NO_REPLY, text, status, code: reply?.code ?? null, error: isNetwork ? 'connect' : null })
}

const NO_REPLY: ObservedAttempt = {
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

/** An attempt of which nobody knows what came of it: the node that made it ended before it had written that down. */
export function readUncertainAttempt(dispatch: Pick<Dispatch, 'attempt' | 'domain'>, table: RuleTable): Omit<AttemptReading, 'answer'> {
  const text = 'the sending node ended before it had written down what was answered'
  const { site } = siteOf(table, { domain: dispatch.domain })
  const attempt: ObservedAttempt = { ...NO_REPLY, n: dispatch.attempt, text, error: 'dropped', site }
  return { attempt, verdict: classifyAttempt(table, dispatch.domain, attempt) }
}

/** What the timeline says of a mail that we could not make until its time was over; the log has the fault of each try. */
export const NOT_COMPOSED_TEXT = 'the sending node could not compose this mail; nothing was sent'

/** The last try of such a mail. */
export function readUncomposedAttempt(dispatch: Pick<Dispatch, 'attempt' | 'domain'>, table: RuleTable): Omit<AttemptReading, 'answer'> {
  const { site } = siteOf(table, { domain: dispatch.domain })
  const attempt: ObservedAttempt = { ...NO_REPLY, n: dispatch.attempt, text: NOT_COMPOSED_TEXT, site }
  return { attempt, verdict: classifyAttempt(table, dispatch.domain, attempt) }
}
