/**
 * delivery-report - delivery reports: the evidence, the writer, the recipients
 *
 * Pure, total. See also: mail/dsn/dsn, mail/freeform/reader, mail/report-evidence, mail/dsn/recipients, mail/report (the order of readers).
 */
import { complaintOf } from '../feedback/complaint.ts'
import { MAX_GROUPS, readStatus } from './dsn.ts'
import type { StatusReport } from './dsn.ts'
import { ENOUGH, weigh } from '../report-evidence.ts'
import type { Clues } from '../report-evidence.ts'
import { formatsByHeader } from '../freeform/formats.ts'
import type { Role } from '../freeform/formats.ts'
import { pairsIn } from '../freeform/reader.ts'
import type { Pair } from '../freeform/reader.ts'
import { readNotification } from '../feedback/provider-event.ts'
import type { Finding, Opened } from '../parsed-message.ts'
import { FAILURE, REPLY_LINE } from '../freeform/phrases.ts'
import { recipientsOf } from './recipients.ts'
import { parseReply } from '../smtp/reply.ts'
import type { RecipientReport, ReportKind } from '../report.ts'
import { addressOf } from './original-message.ts'

/** A sending service's notification. */
export function readNotice(mail: Opened): Finding | null {
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

/** A delivery report, structured or not; null when too little speaks for one. */
export function readDelivery(mail: Opened): Finding | null {
  const status = readStatus(statusTexts(mail))
  const avoid = avoidedOf(mail)
  const pairs = pairsIn(mail.pieces.lines, avoid)
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
    avoid,
  })
  return {
    kind: kindOf(recipients),
    format: status.groups.length > 0 ? 'rfc3464' : (votes.best ?? 'generic'),
    recipients,
    envelopeId: status.envelopeId,
    reportingMta: status.reportingMta,
  }
}

function statusTexts(mail: Opened): readonly string[] {
  if (mail.pieces.status.length > 0) return mail.pieces.status
  return mail.pieces.lines.some((line) => line.text.includes('-') && /^[ \t]*(?:final|original)-recipient[ \t]*:/i.test(line.text))
    ? [mail.words.replace(/^[ \t]+(?=[A-Z][A-Za-z-]{3,30}:)/gm, '')]
    : []
}

function kindOf(recipients: readonly RecipientReport[]): ReportKind {
  if (recipients.some((one) => one.action === 'failed')) return 'bounce'
  return recipients.some((one) => one.action === 'delayed') ? 'delay' : 'delivered'
}

/** Addresses that a report mentions and that failed nothing: its reader, its writer, the returned mail's sender. */
function avoidedOf(mail: Opened): (address: string) => boolean {
  let own: ReadonlySet<string> | null = null
  return (address) => (own ??= ownAddresses(mail)).has(address)
}

function ownAddresses(mail: Opened): ReadonlySet<string> {
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
function countVotes(mail: Opened): Votes {
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

function cluesOf(mail: Opened, status: StatusReport, pairs: readonly Pair[], votes: Votes): Clues {
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
function readInner(mail: Opened, pairs: readonly Pair[]): Finding | null {
  const part = mail.pieces.returnedPart
  if (part === null || pairs.length > 0 || mail.headers['x-failed-recipients'] !== undefined) return null
  const inner = mail.readInside(mail.pieces.mime.raw.subarray(part.headerStart, part.bodyEnd))
  if (inner === null || (inner.kind !== 'bounce' && inner.kind !== 'delay')) return null
  const { kind, format, recipients, returned, envelopeId, reportingMta } = inner
  return recipients.some((one) => one.recipient !== null) ? { kind, format, recipients, returned, envelopeId, reportingMta } : null
}
