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
import type { Heard } from '../ledger/decide/attempt.ts'
import { parseReply, type Reply } from '../mail/smtp/reply.ts'
import type { RecipientReport, Report } from '../mail/report.ts'
import type { Answer, Dispatch } from '../queue/message.ts'
import type { Met } from './provider-model.ts'

/** Where an answer came from. */
export type Origin = { readonly mx: string; readonly domain: string }

export type Reader = (text: string, from: Origin) => { readonly reply: Reply; readonly verdict: Verdict }

/** So many readings are kept: providers say few different things, but for the ids in them. */
const MAX_KEPT = 500

/** A reader of replies by a table of rules, which remembers what it has just read. */
export function createReader(rules: RuleTable): Reader {
  const kept = new Map<string, ReturnType<Reader>>()
  return (text, { mx, domain }) => {
    const key = `${mx} ${domain} ${text}`
    const known = kept.get(key)
    if (known !== undefined) return known
    const reply = parseReply(text)
    const clues = [{ source: 'delivery-mx', value: mx } as const, { source: 'recipient-domain', value: domain } as const]
    const verdict = classify(rules, { reply, reportStatus: null, action: 'failed', text: reply.text, clues })
    if (kept.size >= MAX_KEPT) kept.clear()
    kept.set(key, { reply, verdict })
    return { reply, verdict }
  }
}

/** The zones in which providers count, by the name that verdicts give them. */
export const zonesOf = (rules: RuleTable): ReadonlyMap<string, string> =>
  new Map(rules.files.flatMap((file) => (file.zone === undefined ? [] : [[file.provider, file.zone] as const])))

/** What was heard, for the ledger, with its verdict (null for a 2xx), and the same for the queue. */
export type Said = { readonly heard: Heard; readonly verdict: Verdict | null; readonly answer: Answer }

/** Reads what an attempt met with. */
export function readAnswer(
  read: Reader,
  zones: ReadonlyMap<string, string>,
  given: { readonly met: Met; readonly dispatch: Dispatch; readonly mx: string },
): Said {
  const { met, dispatch, mx } = given
  const from = { mx, domain: dispatch.domain }
  const base = { n: dispatch.attempt, mx, egressIp: dispatch.egressIp, site: dispatch.site, final: null, source: 'queue' } as const
  if (met.error !== null) return unreached(read, from, { base, error: met.error })
  const { reply, verdict } = read(met.text ?? '', from)
  const heard = { ...base, code: reply.code, status: reply.status, text: reply.text, error: null }
  if (reply.code !== null && reply.code < 300) return { heard, verdict: null, answer: { kind: 'accepted' } }
  return {
    heard,
    verdict,
    answer: {
      kind: 'refused',
      code: reply.code,
      text: reply.text,
      reason: verdict.reason,
      pause: verdict.pause,
      deferral: verdict.deferral,
      statedDelayMs: null,
      zone: zones.get(verdict.evidence.provider ?? '') ?? null,
    },
  }
}

/** What is written down where no answer came. */
const ERRORS = {
  connect: 'connect ECONNREFUSED',
  timeout: 'connect ETIMEDOUT',
  dns: 'getaddrinfo EAI_AGAIN',
  dropped: 'connection closed unexpectedly',
} as const

type Base = Pick<Heard, 'n' | 'mx' | 'egressIp' | 'site' | 'final' | 'source'>

function unreached(read: Reader, from: Origin, { base, error }: { readonly base: Base; readonly error: NonNullable<Met['error']> }): Said {
  const text = ERRORS[error]
  const verdict = unreachedVerdict(read, from, error)
  const how = error === 'timeout' ? 'connect' : error
  return { heard: { ...base, code: null, status: null, text, error }, verdict, answer: { kind: 'unreachable', how, text } }
}

/** What it means that no answer came. */
export function unreachedVerdict(read: Reader, from: Origin, error: keyof typeof ERRORS): Verdict {
  const { fault, temporary } = REASONS.unreachable
  return {
    ...read(ERRORS[error], from).verdict,
    reason: 'unreachable',
    fault,
    permanence: 'temporary',
    subStatus: temporary,
    deferral: true,
    rule: `dialogue-${error}`,
    pause: 'network',
  }
}

/** A report about one recipient, as `mail/report` reads one. */
export function ndrOf(
  recipient: string,
  { text, from, mx }: { readonly text: string; readonly from: string; readonly mx: string },
): Report {
  const reply = parseReply(text)
  const group: RecipientReport = {
    recipient,
    originalRecipient: null,
    action: 'failed',
    status: reply.status,
    reply,
    replyFrom: 'diagnostic',
    remoteMta: mx,
    text: reply.text,
    lastAttemptAt: null,
    willRetryUntil: null,
  }
  return { ...BLANK, kind: 'bounce', recipients: [group], from, subject: 'Undelivered Mail Returned to Sender' }
}

/** A complaint in ARF, as `mail/report` reads one. */
export function arfOf(recipient: string, { from, ip }: { readonly from: string; readonly ip: string }): Report {
  const complaint = {
    dress: 'arf',
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
  return { ...BLANK, kind: 'complaint', complaint, from, subject: 'Complaint about a mail' }
}

const BLANK: Report = {
  kind: 'other',
  format: 'simulation',
  recipients: [],
  complaint: null,
  returned: null,
  envelopeId: null,
  reportingMta: null,
  headers: {},
  from: null,
  to: [],
  subject: null,
  messageId: null,
  at: null,
  text: '',
  oddities: [],
}
