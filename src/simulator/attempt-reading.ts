/**
 * attempt-reading - from what a simulated provider said to what the queue and the ledger take
 *
 * The same reading as on the wire: the reply is parsed and classified by the shipped rules, and nothing that the simulator knows better
 * (that the mailbox is unknown, that the provider is saying no) reaches the queue by another way.
 *
 * Pure. See also: simulator/provider-model, classify/classify, service/submit/reported-attempts (the same for real dialogues).
 */
import { classify } from '../classify/classify.ts'
import { REASONS } from '../classify/reasons.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import type { Verdict } from '../classify/verdict.ts'
import type { ObservedAttempt } from '../ledger/decide/attempt.ts'
import { parseReply, type SmtpReply } from '../mail/smtp/reply.ts'
import type { RecipientReport, Report } from '../mail/report.ts'
import type { AttemptResult, Dispatch } from '../queue/message.ts'
import type { ProviderResponse } from './provider-model.ts'

/** Where an answer came from. */
export type ReplyOrigin = { readonly mx: string; readonly domain: string }

export type ReplyReader = (text: string, origin: ReplyOrigin) => { readonly reply: SmtpReply; readonly verdict: Verdict }

/** So many readings are kept: providers say few different things, but for the ids in them. */
const MAX_CACHED = 500

/** A reader of replies by a table of rules, which remembers what it has just read. */
export function createReplyReader(rules: RuleTable): ReplyReader {
  const cache = new Map<string, ReturnType<ReplyReader>>()
  return (text, { mx, domain }) => {
    const key = `${mx} ${domain} ${text}`
    const cached = cache.get(key)
    if (cached !== undefined) return cached
    const reply = parseReply(text)
    const references = [{ source: 'delivery-mx', value: mx } as const, { source: 'recipient-domain', value: domain } as const]
    const verdict = classify(rules, { reply, reportStatus: null, action: 'failed', text: reply.text, hints: references })
    if (cache.size >= MAX_CACHED) cache.clear()
    cache.set(key, { reply, verdict })
    return { reply, verdict }
  }
}

/** The zones in which providers count, by the name that verdicts give them. */
export const timeZonesOf = (rules: RuleTable): ReadonlyMap<string, string> =>
  new Map(rules.files.flatMap((file) => (file.zone === undefined ? [] : [[file.provider, file.zone] as const])))

/** What was heard, for the ledger, with its verdict (null for a 2xx), and the same for the queue. */
export type SimulatedReading = { readonly attempt: ObservedAttempt; readonly verdict: Verdict | null; readonly result: AttemptResult }

/** Reads what an attempt met with. */
export function readAttempt(
  readReply: ReplyReader,
  zones: ReadonlyMap<string, string>,
  input: { readonly met: ProviderResponse; readonly dispatch: Dispatch; readonly mx: string },
): SimulatedReading {
  const { met: response, dispatch, mx } = input
  const origin = { mx, domain: dispatch.domain }
  const base = { n: dispatch.attempt, mx, egressIp: dispatch.egressIp, site: dispatch.site, final: null, source: 'queue' } as const
  if (response.error !== null) return readUnreachable(readReply, origin, { base, error: response.error })
  const { reply, verdict } = readReply(response.text ?? '', origin)
  const attempt = { ...base, code: reply.code, status: reply.status, text: reply.text, error: null }
  if (reply.code !== null && reply.code < 300) return { attempt, verdict: null, result: { kind: 'accepted' } }
  return {
    attempt,
    verdict,
    result: {
      kind: 'refused',
      code: reply.code,
      text: reply.text,
      reason: verdict.reason,
      pause: verdict.backoffClass,
      deferral: verdict.deferral,
      statedDelayMs: null,
      zone: zones.get(verdict.evidence.provider ?? '') ?? null,
    },
  }
}

/** What is written down where no answer came. */
const ERROR_TEXTS = {
  connect: 'connect ECONNREFUSED',
  timeout: 'connect ETIMEDOUT',
  dns: 'getaddrinfo EAI_AGAIN',
  dropped: 'connection closed unexpectedly',
} as const

type AttemptBase = Pick<ObservedAttempt, 'n' | 'mx' | 'egressIp' | 'site' | 'final' | 'source'>

function readUnreachable(
  readReply: ReplyReader,
  origin: ReplyOrigin,
  { base, error }: { readonly base: AttemptBase; readonly error: NonNullable<ProviderResponse['error']> },
): SimulatedReading {
  const text = ERROR_TEXTS[error]
  const verdict = unreachableVerdict(readReply, origin, error)
  const how = error === 'timeout' ? 'connect' : error
  return { attempt: { ...base, code: null, status: null, text, error }, verdict, result: { kind: 'unreachable', how, text } }
}

/** What it means that no answer came. */
export function unreachableVerdict(readReply: ReplyReader, origin: ReplyOrigin, error: keyof typeof ERROR_TEXTS): Verdict {
  const { fault, temporary } = REASONS.unreachable
  return {
    ...readReply(ERROR_TEXTS[error], origin).verdict,
    reason: 'unreachable',
    fault,
    permanence: 'temporary',
    subStatus: temporary,
    deferral: true,
    rule: `dialogue-${error}`,
    backoffClass: 'network',
  }
}

/** A report about one recipient, as `mail/report` reads one. */
export function createNdrReport(
  recipient: string,
  { text, from: origin, mx }: { readonly text: string; readonly from: string; readonly mx: string },
): Report {
  const reply = parseReply(text)
  const group: RecipientReport = {
    recipient,
    originalRecipient: null,
    action: 'failed',
    status: reply.status,
    reply,
    replySource: 'diagnostic',
    remoteMta: mx,
    text: reply.text,
    lastAttemptAt: null,
    willRetryUntil: null,
  }
  return { ...EMPTY_REPORT, kind: 'bounce', recipients: [group], from: origin, subject: 'Undelivered Mail Returned to Sender' }
}

/** A complaint in ARF, as `mail/report` reads one. */
export function createComplaintReport(recipient: string, { from: origin, ip }: { readonly from: string; readonly ip: string }): Report {
  const complaint = {
    format: 'arf',
    feedbackType: 'abuse',
    userAgent: null,
    version: '1',
    originalMailFrom: null,
    originalRcptTo: [recipient],
    arrivalAt: null,
    sourceIp: ip,
    incidents: 1,
    reportedDomains: [],
    fields: {},
  } as const
  return { ...EMPTY_REPORT, kind: 'complaint', complaint, from: origin, subject: 'Complaint about a mail' }
}

const EMPTY_REPORT: Report = {
  kind: 'other',
  format: 'simulation',
  recipients: [],
  complaint: null,
  originalMessage: null,
  envelopeId: null,
  reportingMta: null,
  headers: {},
  from: null,
  to: [],
  subject: null,
  messageId: null,
  sentAt: null,
  text: '',
  defects: [],
}
