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
import type { Subject, Verdict } from '../../classify/verdict.ts'
import type { Outcome } from '../../smtp-client/transport.ts'
import type { Heard } from '../../ledger/decide/attempt.ts'
import type { AttemptError } from '../../ledger/facts/fact.ts'
import { oneLine, parseReply } from '../../mail/smtp/reply.ts'
import { statedDelay } from '../../mail/smtp/stated-delay.ts'
import type { Answer, Dispatch, HeldBy } from '../../queue/message.ts'
import { withoutNames } from '../../queue/observe/transition-facts.ts'

/** What a dialogue with a domain's host means. Of a 2xx nothing is asked. */
export function verdictOf(table: RuleTable, domain: string, heard: Heard): Verdict {
  const reply = { ...parseReply(heard.text), code: heard.code, status: heard.status }
  const clues: Subject['clues'] = [
    ...(heard.mx === null ? [] : [{ source: 'delivery-mx', value: heard.mx } as const]),
    { source: 'recipient-domain', value: domain },
  ]
  const verdict = classify(table, { reply, reportStatus: null, action: 'failed', text: heard.text, clues })
  if (heard.error === null || verdict.reason !== 'other') return verdict
  const { fault, temporary } = REASONS.unreachable
  return {
    ...verdict,
    reason: 'unreachable',
    fault,
    permanence: 'temporary',
    subStatus: temporary,
    rule: `dialogue-${heard.error}`,
    pause: 'network',
  }
}

/** One attempt of ours: for the ledger (`final` is the queue's word), with its verdict (null for a 2xx), and for the queue. */
export type Said = { readonly heard: Heard; readonly verdict: Verdict | null; readonly answer: Answer }

/** Reads what the transport brought back. Total. */
export function readOutcome(table: RuleTable, dispatch: Dispatch, outcome: Outcome): Said {
  const text = oneLine(outcome.text)
  const heard: Heard = {
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
  if (outcome.kind === 'reply' && outcome.code < 300) return { heard, verdict: null, answer: { kind: 'accepted' } }
  const verdict = verdictOf(table, dispatch.domain, heard)
  return { heard, verdict, answer: outcome.kind === 'error' ? unreached(outcome.error, text) : refused(table, heard, verdict) }
}

/** A line that broke in the dialogue says nothing of the network; a peer that fell silent in it is as good as away. */
const HOW = {
  dns: 'dns',
  connect: 'connect',
  timeout: 'connect',
  tls: 'dropped',
  dropped: 'dropped',
} as const satisfies Record<AttemptError, 'dns' | 'connect' | 'dropped'>

const unreached = (error: AttemptError, text: string): Answer => ({ kind: 'unreachable', how: HOW[error], text })

function refused(table: RuleTable, { code, text }: Heard, verdict: Verdict): Answer {
  const { reason, pause, deferral, evidence } = verdict
  const zone = table.files.find(({ provider }) => provider === evidence.provider)?.zone ?? null
  return { kind: 'refused', code, text, reason, pause, deferral, statedDelayMs: deferral ? statedDelay(text) : null, zone }
}

/**
 * Why a mail was given up that was never answered: what the key that held it was told, read as if it had been told to the mail. Null: it
 * was held by a limit or a pause of our own. Names are left out, for the answer may have been another account's.
 */
export function heldVerdict(table: RuleTable, domain: string, heldBy: HeldBy | null): Verdict | null {
  if (heldBy === null || heldBy.class === null) return null
  const { reply } = heldBy
  const text = withoutNames(reply?.text ?? '')
  const isNetwork = heldBy.class === 'network'
  const { status } = parseReply(text)
  return verdictOf(table, domain, { ...UNHEARD, text, status, code: reply?.code ?? null, error: isNetwork ? 'connect' : null })
}

const UNHEARD: Heard = {
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
export function unknownFate(dispatch: Pick<Dispatch, 'attempt' | 'domain'>, table: RuleTable): Omit<Said, 'answer'> {
  const text = 'the sending node ended before it had written down what was answered'
  const { site } = siteOf(table, { domain: dispatch.domain })
  const heard: Heard = { ...UNHEARD, n: dispatch.attempt, text, error: 'dropped', site }
  return { heard, verdict: verdictOf(table, dispatch.domain, heard) }
}

/** What the timeline says of a mail that we could not make until its time was over; the log has the fault of each try. */
export const NEVER_MADE = 'the sending node could not compose this mail; nothing was sent'

/** The last try of such a mail. */
export function neverMade(dispatch: Pick<Dispatch, 'attempt' | 'domain'>, table: RuleTable): Omit<Said, 'answer'> {
  const { site } = siteOf(table, { domain: dispatch.domain })
  const heard: Heard = { ...UNHEARD, n: dispatch.attempt, text: NEVER_MADE, site }
  return { heard, verdict: verdictOf(table, dispatch.domain, heard) }
}
