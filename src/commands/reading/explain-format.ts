/**
 * explain-format - formats an explained mail for people
 *
 * See also: commands/reading/explain, commands/reading/verdict-format.
 */
import type { Verdict } from '../../classify/verdict.ts'
import { parseMime } from '../../mail/mime/mime.ts'
import type { MimePart } from '../../mail/mime/part.ts'
import type { RecipientReport, Report, ReportKind } from '../../mail/report.ts'
import { explainRecognition } from '../../mail/report-parser.ts'
import { REPORT_THRESHOLD } from '../../mail/report-weights.ts'
import type { ExplainedRecipient } from '../../correlate/explained-report.ts'
import { formatColumns, toSingleLine } from '../output.ts'
import { tlsReportLines } from './tls-report-format.ts'
import { verdictRows } from './verdict-format.ts'

/** The effect of each kind of report once it is matched to a sent mail. Null: it depends on the verdict. */
const EFFECT_BY_KIND = {
  bounce: null,
  delay: 'changes no status; it is recorded',
  delivered: 'is recorded; a mail in status 18 becomes delivered',
  complaint: 'changes no status; abuse and fraud go to the complaint list, opt-out to the unsubscribe list',
  'not-spam': 'removes the complaint entry that it answers',
  'auth-failure': 'is recorded; it adds to no list',
  'tls-report': 'changes no status; it is recorded for the installation (bounced tls-reports)',
  'auto-reply': 'is recorded; it adds to no list',
  unsubscribe: 'goes to the unsubscribe list',
  mdn: 'is recorded; it adds to no list',
  other: 'goes to the inbox',
  unreadable: 'goes to the inbox, raw',
} as const satisfies Record<ReportKind, string | null>

type ExplainedMail = {
  readonly name: string
  readonly raw: Uint8Array
  readonly report: Report
  readonly explained: readonly ExplainedRecipient[]
}

/** The MIME tree, the report, and for each recipient its reply, rule, evidence and effect. */
export function explainLines({ name, raw, report, explained }: ExplainedMail): string[] {
  const effect = EFFECT_BY_KIND[report.tlsReport?.content === null ? 'unreadable' : report.kind]
  return [
    name,
    `  kind       ${report.kind}, read as ${report.format}`,
    ...fieldLine('from', report.from),
    ...fieldLine('subject', report.subject),
    ...fieldLine('reporter', report.reportingMta),
    ...recognitionLines(raw),
    ...treeLines(parseMime(raw).root),
    ...report.defects.map((oddity) => `  odd        ${toSingleLine(oddity)}`),
    ...complaintLines(report),
    ...readTlsReportLines(report),
    ...returnedLines(report),
    ...explained.flatMap(recipientLines),
    ...(effect === null ? [] : [`  would      ${effect}`]),
  ]
}

/** Why the mail was taken for a delivery report, or not. */
function recognitionLines(raw: Uint8Array): string[] {
  const recognition = explainRecognition(raw)
  if (recognition === null) return []
  const { indicators, score } = recognition
  return [`  signs      ${indicators.join(', ') || 'none'}: ${score.toFixed(1)} (a delivery report from ${REPORT_THRESHOLD})`]
}

function fieldLine(name: string, value: string | null): string[] {
  return value === null || value === '' ? [] : [`  ${name.padEnd(10)} ${toSingleLine(value)}`]
}

/** More lines do not help a reader. */
const MAX_TREE = 30

function treeLines(root: MimePart): string[] {
  const lines: string[] = []
  const visit = (part: MimePart): void => {
    if (lines.length >= MAX_TREE) return
    const size = part.bodyEnd - part.bodyStart
    lines.push(`  ${lines.length === 0 ? 'parts     ' : '          '} ${'  '.repeat(part.depth)}${part.type}  ${size} bytes`)
    part.children.forEach(visit)
  }
  visit(root)
  return lines.length < MAX_TREE ? lines : [...lines, '             …']
}

function complaintLines({ complaint }: Report): string[] {
  if (complaint === null) return []
  return [
    `  complaint  ${complaint.feedbackType} (${complaint.format})${complaint.userAgent === null ? '' : ` by ${toSingleLine(complaint.userAgent)}`}`,
    ...complaint.originalRcptTo.map((address) => `  about      ${toSingleLine(address)}`),
  ]
}

function readTlsReportLines({ tlsReport }: Report): string[] {
  if (tlsReport === null) return []
  const { submitter, domain, content } = tlsReport
  return [
    `  tls        of ${toSingleLine(submitter ?? '?')} about ${toSingleLine(domain ?? '?')}${content === null ? ': cannot be read' : ''}`,
    ...(content === null ? [] : tlsReportLines(content).map((line) => `             ${line}`)),
  ]
}

function returnedLines({ originalMessage }: Report): string[] {
  if (originalMessage === null) return []
  return [
    `  returned   ${toSingleLine(originalMessage.subject ?? '(no subject)')}`,
    ...fieldLine('', originalMessage.messageId === null ? null : `Message-ID ${originalMessage.messageId}`),
    ...fieldLine('', originalMessage.returnPath === null ? null : `Return-Path ${originalMessage.returnPath}`),
  ]
}

function recipientLines({ recipient, verdict, recordedBecause }: ExplainedRecipient): string[] {
  const { reply, status, replySource, remoteMta } = recipient
  const replyParts = [reply.code, reply.status, reply.text === '' ? null : `"${toSingleLine(reply.text)}"`].filter((part) => part !== null)
  const source = [remoteMta, replySource === 'none' ? null : `read in its ${replySource}`].filter((part) => part !== null).join(', ')
  const replyText = replyParts.length === 0 ? 'none' : `${replyParts.join(' ')}${source === '' ? '' : ` (${toSingleLine(source)})`}`
  const rows = [
    ['reply', replyText],
    ...(verdict === null ? [] : [...verdictRows(verdict), ['would', expectedChange(recipient, verdict, recordedBecause)]]),
  ]
  return [
    `  recipient  ${recipientLabel(recipient)}  ${recipient.action}${status === null ? '' : `, Status ${toSingleLine(status)}`}`,
    ...formatColumns(rows).map((line) => `    ${line}`),
  ]
}

function recipientLabel({ recipient, originalRecipient }: RecipientReport): string {
  const named = recipient ?? originalRecipient
  if (named === null) return '(no recipient named)'
  return toSingleLine(originalRecipient === null || originalRecipient === named ? named : `${named}, sent to ${originalRecipient}`)
}

/** The change under the default status policy. The ladders and the store may change more: see `bounced replay --dry-run`. */
function expectedChange({ action }: RecipientReport, verdict: Verdict, recordedBecause: string | null): string {
  if (recordedBecause !== null) return `no status changes; ${recordedBecause}`
  if (action !== 'failed') return 'no status changes; it is recorded'
  const status = `status ${String(verdict.subStatus).slice(0, 1)}, sub status ${verdict.subStatus}, asynchronous`
  const listed = verdict.reason === 'not-exist' && verdict.permanence === 'permanent' && !verdict.weak
  return `${status}; ${listed ? 'the address goes to the bounce list' : 'no list'}`
}
