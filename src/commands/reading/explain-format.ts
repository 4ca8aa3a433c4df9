/**
 * explain-format - one mail explained, as lines that people read
 *
 * See also: commands/reading/explain, commands/reading/verdict-format.
 */
import type { Verdict } from '../../classify/verdict.ts'
import { parseMime } from '../../mail/mime/mime.ts'
import type { Part } from '../../mail/mime/mime.ts'
import type { RecipientReport, Report, ReportKind } from '../../mail/report.ts'
import type { Explained } from './explain.ts'
import { columns, oneLine } from '../output.ts'
import { verdictRows } from './verdict-format.ts'

/** What a mail of each kind changes once it is tied to a mail that was sent. `null`: it depends on the verdict. */
const CHANGES = {
  bounce: null,
  delay: 'changes no status, is recorded',
  delivered: 'is recorded; a mail that was sending becomes delivered',
  complaint: 'changes no status; abuse and fraud go to the complaint list, opt-out to the unsubscribe list',
  'not-spam': 'lifts the complaint entry that it answers',
  'auth-failure': 'is filed, suppresses nobody',
  'auto-reply': 'is filed, suppresses nobody',
  unsubscribe: 'goes to the unsubscribe list',
  mdn: 'is filed, suppresses nobody',
  other: 'waits in the inbox',
  unreadable: 'waits in the inbox, raw',
} as const satisfies Record<ReportKind, string | null>

type Mail = { readonly name: string; readonly raw: Uint8Array; readonly report: Report; readonly explained: readonly Explained[] }

/** The parse tree, what the report says, and for each recipient reply, rule, proof and effect. */
export function explainLines({ name, raw, report, explained }: Mail): string[] {
  const effect = CHANGES[report.kind]
  return [
    name,
    `  kind       ${report.kind}, read as ${report.format}`,
    ...field('from', report.from),
    ...field('subject', report.subject),
    ...field('reporter', report.reportingMta),
    ...treeLines(parseMime(raw).root),
    ...report.oddities.map((oddity) => `  odd        ${oneLine(oddity)}`),
    ...complaintLines(report),
    ...returnedLines(report),
    ...explained.flatMap(recipientLines),
    ...(effect === null ? [] : [`  would      ${effect}`]),
  ]
}

function field(name: string, value: string | null): string[] {
  return value === null || value === '' ? [] : [`  ${name.padEnd(10)} ${oneLine(value)}`]
}

/** More is no help to a reader. */
const MAX_TREE = 30

function treeLines(root: Part): string[] {
  const lines: string[] = []
  const walk = (part: Part): void => {
    if (lines.length >= MAX_TREE) return
    const size = part.bodyEnd - part.bodyStart
    lines.push(`  ${lines.length === 0 ? 'parts     ' : '          '} ${'  '.repeat(part.depth)}${part.type}  ${size} bytes`)
    part.children.forEach(walk)
  }
  walk(root)
  return lines.length < MAX_TREE ? lines : [...lines, '             …']
}

function complaintLines({ complaint }: Report): string[] {
  if (complaint === null) return []
  return [
    `  complaint  ${complaint.feedbackType} (${complaint.dress})${complaint.userAgent === null ? '' : ` by ${oneLine(complaint.userAgent)}`}`,
    ...complaint.originalRcptTo.map((address) => `  about      ${oneLine(address)}`),
  ]
}

function returnedLines({ returned }: Report): string[] {
  if (returned === null) return []
  return [
    `  returned   ${oneLine(returned.subject ?? '(no subject)')}`,
    ...field('', returned.messageId === null ? null : `Message-ID ${returned.messageId}`),
    ...field('', returned.returnPath === null ? null : `Return-Path ${returned.returnPath}`),
  ]
}

function recipientLines({ recipient, verdict }: Explained): string[] {
  const { reply, status, replyFrom, remoteMta } = recipient
  const said = [reply.code, reply.status, reply.text === '' ? null : `"${oneLine(reply.text)}"`].filter((part) => part !== null)
  const where = [remoteMta, replyFrom === 'none' ? null : `read in its ${replyFrom}`].filter((part) => part !== null).join(', ')
  const quoted = said.length === 0 ? 'none' : `${said.join(' ')}${where === '' ? '' : ` (${oneLine(where)})`}`
  const rows = [['reply', quoted], ...(verdict === null ? [] : [...verdictRows(verdict), ['would', wouldChange(recipient, verdict)]])]
  return [
    `  recipient  ${whom(recipient)}  ${recipient.action}${status === null ? '' : `, Status ${oneLine(status)}`}`,
    ...columns(rows).map((line) => `    ${line}`),
  ]
}

function whom({ recipient, originalRecipient }: RecipientReport): string {
  const named = recipient ?? originalRecipient
  if (named === null) return '(names nobody)'
  return oneLine(originalRecipient === null || originalRecipient === named ? named : `${named}, sent to ${originalRecipient}`)
}

/** By the taxonomy, policy by-permanence; ladders and what the store knows come on top (`bounced replay --dry-run`). */
function wouldChange({ action }: RecipientReport, verdict: Verdict): string {
  if (action !== 'failed') return 'no status changes, it is recorded'
  const status = `status ${String(verdict.subStatus).slice(0, 1)}, sub status ${verdict.subStatus}, asynchronous`
  const listed = verdict.reason === 'not-exist' && verdict.permanence === 'permanent' && !verdict.weak
  return `${status}; ${listed ? 'the address goes to the bounce list' : 'no list'}`
}
