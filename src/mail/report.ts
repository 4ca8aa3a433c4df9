/**
 * report - any mail as one Report: what kind it is, whom it speaks of, what it quotes
 *
 * Promises: total (any bytes give a Report), pure, bounded in time and memory. What is absent is null.
 * See also: mail/mime (structure), mail/dsn (RFC 3464), mail/arf (RFC 5965), mail/formats (free-form bounces).
 */
import { readFeedback, emptyFeedback, readJmrp } from './arf.ts'
import { isAggregateReport } from './authreport.ts'
import { isAutoReply } from './autoreply.ts'
import { MAX_GROUPS, readStatus } from './dsn.ts'
import type { StatusReport } from './dsn.ts'
import { ENOUGH, weigh } from './evidence.ts'
import { formatsByHeader } from './formats.ts'
import type { Role } from './formats.ts'
import { pairsIn } from './freeform.ts'
import type { Pair } from './freeform.ts'
import { headerRecord } from './header.ts'
import { isReceipt } from './mdn.ts'
import { parseMime, textOf } from './mime.ts'
import { readNotification } from './notification.ts'
import { FAILURE, REPLY_LINE } from './phrases.ts'
import { sortPieces } from './pieces.ts'
import type { Pieces } from './pieces.ts'
import { recipientsOf } from './recipients.ts'
import { parseReply } from './reply.ts'
import type { Reply } from './reply.ts'
import { addressOf, addressesOf, messageIdOf, readReturned } from './returned.ts'
import { parseDate } from './date.ts'
import { isUnsubscribe } from './unsubscribe.ts'
import { readXarf } from './xarf.ts'

/** What a mail that came to us can be. `delay` and `delivered` are reports without any failed recipient. */
export const REPORT_KINDS = [
  'bounce',
  'delay',
  'delivered',
  'complaint',
  'not-spam',
  'auth-failure',
  'auto-reply',
  'unsubscribe',
  'mdn',
  'other',
  'unreadable',
] as const
export type ReportKind = (typeof REPORT_KINDS)[number]

/** RFC 3464 §2.3.3. */
export type Action = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

/** One recipient group of a delivery report, or one address–diagnostic pair of a free-form bounce. */
export type RecipientReport = {
  /** Final-Recipient, or the address that the text names; bare (`local@domain`), domain lower case. Null: the report names nobody. */
  readonly recipient: string | null
  /** Original-Recipient (RFC 3461 ORCPT), xtext decoded, bare. */
  readonly originalRecipient: string | null
  readonly action: Action
  /** The report's own Status field. Exim, sendmail and others make it up: see `reply` first. */
  readonly status: string | null
  /** What the remote server said, the last remote answer where there are several. */
  readonly reply: Reply
  /** Where `reply` was read: Diagnostic-Code, the human text, or nowhere. */
  readonly replyFrom: 'diagnostic' | 'text' | 'none'
  /** Who said it: Remote-MTA, or the host that the text names before the reply; lower case. */
  readonly remoteMta: string | null
  /** Every word about this recipient that a rule may read (diagnostic and surrounding text), one line, at most 2,048 characters. */
  readonly text: string
  /** Will-Retry-Until and Last-Attempt-Date as epoch milliseconds: a delay's dedup key. */
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
}

/** ARF and its relatives (JMRP's plain form, CFBL, XARF), in ARF's words (RFC 5965 §3). */
export type Complaint = {
  readonly dress: 'arf' | 'jmrp' | 'xarf'
  /** Lower case: abuse, fraud, virus, other, not-spam, auth-failure, opt-out, opt-out-list, or a type nobody has registered. */
  readonly feedbackType: string
  readonly userAgent: string | null
  readonly version: string | null
  readonly originalMailFrom: string | null
  readonly originalRcptTo: readonly string[]
  readonly arrivalAt: number | null
  readonly sourceIp: string | null
  readonly incidents: number
  readonly reportedDomains: readonly string[]
  /** Every field as it stood, unknown ones too; names lower case. */
  readonly fields: Readonly<Record<string, string>>
}

/** The mail that came back, as far as it came back. `headers`: names lower case, values unfolded and decoded; the first of a name wins. */
export type ReturnedMail = {
  readonly headers: Readonly<Record<string, string>>
  readonly messageId: string | null
  readonly returnPath: string | null
  readonly from: string | null
  readonly to: readonly string[]
  readonly subject: string | null
  readonly at: number | null
}

export type Report = {
  readonly kind: ReportKind
  /** The row of mail/formats (or dsn, arf, …) that read it. */
  readonly format: string
  readonly recipients: readonly RecipientReport[]
  readonly complaint: Complaint | null
  readonly returned: ReturnedMail | null
  /** Original-Envelope-Id (RFC 3461 ENVID), xtext decoded. */
  readonly envelopeId: string | null
  readonly reportingMta: string | null
  /** The report's own headers, as in `returned`. */
  readonly headers: Readonly<Record<string, string>>
  readonly from: string | null
  readonly to: readonly string[]
  readonly subject: string | null
  readonly messageId: string | null
  readonly at: number | null
  /** The human part as text, at most 8,192 characters, for the operator. */
  readonly text: string
  /** What was odd about the bytes (caps that were met, boundaries that lied, charsets nobody knows), one short line each. */
  readonly oddities: readonly string[]
}

/** What one reader finds; what it leaves out is as in any mail. */
type Finding = Partial<Report> & Pick<Report, 'kind' | 'format'>

/** A mail sorted, and what every reader asks of it. */
type Mail = {
  readonly pieces: Pieces
  readonly headers: Readonly<Record<string, string>>
  readonly subject: string
  readonly from: string | null
  readonly to: readonly string[]
  readonly reportType: string
  readonly words: string
  readonly returned: ReturnedMail | null
  readonly nesting: number
}

/** The human part that an operator is shown. */
const MAX_SHOWN = 8_192
/** A gateway wraps a report once, rarely twice. */
const MAX_NESTING = 2

/**
 * Reads any mail that came to a return path or a feedback address. Total, pure, bounded.
 *
 *     parseReport(bytes).kind → 'bounce'
 */
export function parseReport(raw: Uint8Array): Report {
  return readMail(raw, 0)
}

function readMail(raw: Uint8Array, nesting: number): Report {
  const mail = openMail(raw, nesting)
  const base = baseOf(mail)
  for (const read of READERS) {
    const found = read(mail)
    if (found !== null) return { ...base, ...found }
  }
  return base
}

function openMail(raw: Uint8Array, nesting: number): Mail {
  const pieces = sortPieces(parseMime(raw))
  const { root } = pieces.mime
  const headers = headerRecord(root.headers)
  return {
    pieces,
    headers,
    subject: headers['subject'] ?? '',
    from: addressOf(headers['from']),
    to: addressesOf(headers['to']),
    reportType: root.type === 'multipart/report' ? (root.params['report-type'] ?? '').toLowerCase() : '',
    words: pieces.lines
      .map((line) => line.text)
      .join('\n')
      .trim(),
    returned: readReturned(pieces.returned),
    nesting,
  }
}

function baseOf(mail: Mail): Report {
  const { headers, pieces } = mail
  const date = headers['date']
  return {
    kind: 'other',
    format: 'none',
    recipients: [],
    complaint: null,
    returned: mail.returned,
    envelopeId: null,
    reportingMta: null,
    headers,
    from: mail.from,
    to: mail.to,
    subject: headers['subject'] ?? null,
    messageId: messageIdOf(headers['message-id']),
    at: date === undefined ? null : parseDate(date),
    text: mail.words.slice(0, MAX_SHOWN),
    oddities: pieces.mime.oddities,
  }
}

/** The first that recognises the mail decides; the most explicit kinds stand first. */
const READERS: readonly ((mail: Mail) => Finding | null)[] = [
  readNothing,
  readComplaint,
  readMdn,
  readNotice,
  readDelivery,
  readJmrpForm,
  readAuthReport,
  readUnsubscribe,
  readAnswer,
]

function readNothing(mail: Mail): Finding | null {
  const { root } = mail.pieces.mime
  const isEmpty = root.headers.fields.length === 0 && mail.words === '' && mail.pieces.returned === null
  return isEmpty ? { kind: 'unreadable', format: 'empty' } : null
}

/** Feedback types that are no complaint. */
const NO_COMPLAINT: Readonly<Record<string, ReportKind>> = {
  'not-spam': 'not-spam',
  'auth-failure': 'auth-failure',
  dmarc: 'auth-failure',
  dkim: 'auth-failure',
}

function readComplaint(mail: Mail): Finding | null {
  const text = mail.pieces.feedback[0] ?? feedbackInWords(mail)
  if (text !== null) return complaintOf(fromReturned(readFeedback(text), mail), 'arf')
  if (mail.reportType === 'feedback-report') return complaintOf(fromReturned(emptyFeedback(), mail), 'arf')
  for (const file of mail.pieces.files) {
    if (!/json/.test(file.type) && !/json$/i.test(file.filename ?? '')) continue
    const complaint = readXarf(textOf(mail.pieces.mime, file))
    if (complaint !== null) return complaintOf(complaint, 'xarf')
  }
  return null
}

/** Fields of a feedback report among words, where a gateway took the MIME structure away. */
function feedbackInWords(mail: Mail): string | null {
  const at = mail.words.search(/^feedback-type[ \t]*:/im)
  if (at < 0) return null
  const start = Math.max(0, at - 1_024)
  const block = mail.words.slice(start, at + 8_192)
  return /^(?:user-agent|version|original-mail-from|arrival-date|source-ip|reported-domain|original-rcpt-to)[ \t]*:/im.test(block)
    ? block
    : null
}

function complaintOf(complaint: Complaint, format: string): Finding {
  return { kind: NO_COMPLAINT[complaint.feedbackType] ?? 'complaint', format, complaint }
}

/** Who complained is often told by the returned mail alone: JMRP's field, or its one recipient. */
function fromReturned(complaint: Complaint, mail: Mail): Complaint {
  if (complaint.originalRcptTo.length > 0) return complaint
  const jmrp = readJmrp(mail.returned?.headers ?? {}, null)
  return jmrp === null ? complaint : { ...complaint, originalRcptTo: jmrp.originalRcptTo }
}

/** After delivery reports: a bounced mail may bear the field of an earlier complaint. */
function readJmrpForm(mail: Mail): Finding | null {
  const complaint = readJmrp(mail.returned?.headers ?? {}, mail.subject) ?? readJmrp(mail.headers, null)
  return complaint === null ? null : { kind: 'complaint', format: 'jmrp', complaint }
}

function readMdn(mail: Mail): Finding | null {
  const isMdn = isReceipt({
    reportType: mail.reportType,
    disposition: mail.pieces.disposition,
    subject: mail.subject,
    words: mail.words.slice(0, 2_048),
  })
  return isMdn ? { kind: 'mdn', format: 'mdn' } : null
}

function readNotice(mail: Mail): Finding | null {
  const notice = readNotification(mail.words)
  if (notice === null) return null
  if (notice.complaint !== null) return complaintOf(notice.complaint, 'amazon-sns')
  const recipients = notice.recipients.map((one) => {
    const reply = parseReply(one.diagnostic)
    return {
      ...BLANK,
      recipient: one.address,
      action: one.action,
      status: one.status,
      reply,
      replyFrom: one.diagnostic === '' ? ('none' as const) : ('diagnostic' as const),
      text: one.diagnostic.slice(0, 2_048),
    }
  })
  return recipients.length === 0 ? null : { kind: kindOf(recipients), format: 'amazon-sns', recipients, reportingMta: notice.reportingMta }
}

const BLANK: RecipientReport = {
  recipient: null,
  originalRecipient: null,
  action: 'failed',
  status: null,
  reply: parseReply(''),
  replyFrom: 'none',
  remoteMta: null,
  text: '',
  lastAttemptAt: null,
  willRetryUntil: null,
}

function readDelivery(mail: Mail): Finding | null {
  const status = readStatus(statusTexts(mail))
  const pairs = pairsIn(mail.pieces.lines, avoidedOf(mail))
  const votes = status.groups.length > 0 ? NO_VOTES : countVotes(mail)
  const sum = weigh(cluesOf(mail, status, pairs, votes))
  if (sum < ENOUGH) return null
  const inner = status.groups.length === 0 ? readInner(mail, pairs) : null
  if (inner !== null) return inner
  const recipients = recipientsOf({
    groups: status.groups.slice(0, MAX_GROUPS),
    pairs,
    lines: mail.pieces.lines,
    subject: mail.subject,
    failedRecipients: mail.headers['x-failed-recipients'],
    returned: mail.returned,
  })
  return {
    kind: kindOf(recipients),
    format: status.groups.length > 0 ? 'rfc3464' : (votes.best ?? 'generic'),
    recipients,
    envelopeId: status.envelopeId,
    reportingMta: status.reportingMta,
  }
}

function statusTexts(mail: Mail): readonly string[] {
  if (mail.pieces.status.length > 0) return mail.pieces.status
  return /^[ \t]*(?:final|original)-recipient[ \t]*:/im.test(mail.words)
    ? [mail.words.replace(/^[ \t]+(?=[A-Z][A-Za-z-]{3,30}:)/gm, '')]
    : []
}

function kindOf(recipients: readonly RecipientReport[]): ReportKind {
  if (recipients.some((one) => one.action === 'failed')) return 'bounce'
  return recipients.some((one) => one.action === 'delayed') ? 'delay' : 'delivered'
}

/** Addresses that a report mentions and that failed nothing: its reader, its writer, the returned mail's sender. */
function avoidedOf(mail: Mail): ReadonlySet<string> {
  const own = [
    mail.from,
    ...mail.to,
    addressOf(mail.headers['delivered-to']),
    mail.returned?.from ?? null,
    mail.returned?.returnPath ?? null,
  ]
  return new Set(own.flatMap((address) => (address === null ? [] : [address.toLowerCase()])))
}

type Votes = { readonly best: string | null; readonly byHeader: number; readonly knows: number; readonly sections: number }

const NO_VOTES: Votes = { best: null, byHeader: 0, knows: 0, sections: 0 }

const VOTES: Readonly<Record<Role, number>> = { knows: 3, opens: 2, names: 2, ends: 1, sender: 1, stops: 1, details: 1 }

/** Which writer it is: header fields and own sentences count, borrowed section titles count less. */
function countVotes(mail: Mail): Votes {
  const votes = new Map<string, number>()
  const byHeader = formatsByHeader(mail.headers)
  for (const id of byHeader) votes.set(id, (votes.get(id) ?? 0) + 2)
  let knows = 0
  let sections = 0
  for (const line of mail.pieces.lines) {
    for (const mark of line.marks) {
      if (mark.role === 'knows') knows++
      else sections++
      votes.set(mark.format, (votes.get(mark.format) ?? 0) + VOTES[mark.role])
    }
  }
  const best = [...votes.entries()].reduce<readonly [string | null, number]>((top, one) => (one[1] > top[1] ? one : top), [null, 0])
  return { best: best[0], byHeader: byHeader.length, knows, sections }
}

function cluesOf(mail: Mail, status: StatusReport, pairs: readonly Pair[], votes: Votes): Parameters<typeof weigh>[0] {
  const rank = pairs.reduce((most, pair) => Math.max(most, pair.rank), 0)
  return {
    headers: mail.headers,
    subject: mail.subject,
    from: mail.headers['from'] ?? '',
    reportType: mail.reportType,
    words: mail.words,
    groups: status.groups.length,
    rank,
    hasFailure: pairs.slice(0, 20).some((pair) => pair.words.some((line) => FAILURE.test(line) || REPLY_LINE.test(line))),
    byHeader: votes.byHeader,
    knows: votes.knows,
    sections: votes.sections,
    hasReturned: mail.returned !== null,
  }
}

/** A gateway that says only "returned mail" and encloses the real report: that one is read. */
function readInner(mail: Mail, pairs: readonly Pair[]): Finding | null {
  const part = mail.pieces.returnedPart
  if (part === null || pairs.length > 0 || mail.nesting >= MAX_NESTING || mail.headers['x-failed-recipients'] !== undefined) return null
  const inner = readMail(mail.pieces.mime.raw.subarray(part.headerStart, part.bodyEnd), mail.nesting + 1)
  if (inner.kind !== 'bounce' && inner.kind !== 'delay') return null
  const { kind, format, recipients, returned, envelopeId, reportingMta } = inner
  return recipients.some((one) => one.recipient !== null) ? { kind, format, recipients, returned, envelopeId, reportingMta } : null
}

function readAuthReport(mail: Mail): Finding | null {
  return isAggregateReport(mail.subject, mail.pieces.files) ? { kind: 'auth-failure', format: 'dmarc' } : null
}

function readUnsubscribe(mail: Mail): Finding | null {
  const to = [...mail.to, ...addressesOf(mail.headers['delivered-to'])]
  return isUnsubscribe({ headers: mail.headers, subject: mail.subject, words: mail.words, to })
    ? { kind: 'unsubscribe', format: 'mailto' }
    : null
}

function readAnswer(mail: Mail): Finding | null {
  return isAutoReply({ headers: mail.headers, subject: mail.subject, words: mail.words }) ? { kind: 'auto-reply', format: 'rfc3834' } : null
}
