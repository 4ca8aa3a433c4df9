/**
 * delivery-report - reads delivery reports: whether a message is one, which program wrote it, its recipients
 *
 * Pure, total. See also: mail/dsn/dsn, mail/freeform/reader, mail/report-evidence, mail/dsn/recipients, mail/report-parser (order of
 * readers).
 */
import { toComplaintFinding } from '../feedback/complaint.ts'
import { MAX_DSN_RECIPIENTS, isStatusField, parseDeliveryStatus } from './dsn.ts'
import type { DeliveryStatusFields } from './dsn.ts'
import { findIndicators, isDeliveryReport } from '../report-evidence.ts'
import type { IndicatorId } from '../report-weights.ts'
import type { ReportEvidence } from '../report-evidence.ts'
import type { MarkerRole } from '../freeform/bounce-format.ts'
import { matchFormatsByHeader } from '../freeform/format-index.ts'
import { RANK } from '../freeform/address-rank.ts'
import { findAddressDiagnosticPairs } from '../freeform/reader.ts'
import type { AddressDiagnosticPair } from '../freeform/reader.ts'
import type { TextLine } from '../freeform/split-quoted.ts'
import { parseProviderEvent } from '../feedback/provider-event.ts'
import type { ReportFinding, ParsedMessage } from '../parsed-message.ts'
import { FAILURE_PHRASE, REPLY_LINE } from '../freeform/phrases.ts'
import { readRecipients } from './recipients.ts'
import { parseReply } from '../smtp/reply.ts'
import type { RecipientReport, ReportKind } from '../report.ts'
import { parseFieldAddress } from './original-message.ts'

/** Reads a notification of a sending service. */
export function readProviderEventReport(message: ParsedMessage): ReportFinding | null {
  const event = parseProviderEvent(message.bodyText)
  if (event === null) return null
  if (event.complaint !== null) return toComplaintFinding(event.complaint, 'amazon-sns')
  const recipients = event.recipients.map((entry) => {
    const reply = parseReply(entry.diagnostic)
    return {
      ...EMPTY_RECIPIENT,
      recipient: entry.address,
      action: entry.action,
      status: entry.status,
      reply,
      replySource: entry.diagnostic === '' ? ('none' as const) : ('diagnostic' as const),
      text: entry.diagnostic.slice(0, 2_048),
    }
  })
  return recipients.length === 0
    ? null
    : { kind: reportKindOf(recipients), format: 'amazon-sns', recipients, reportingMta: event.reportingMta }
}

const EMPTY_RECIPIENT: RecipientReport = {
  recipient: null,
  originalRecipient: null,
  action: 'failed',
  status: null,
  reply: parseReply(''),
  replySource: 'none',
  remoteMta: null,
  text: '',
  lastAttemptAt: null,
  willRetryUntil: null,
}

/** Reads a delivery report, structured or not; null if the evidence is too weak. */
export function readDeliveryReport(message: ParsedMessage): ReportFinding | null {
  const { deliveryStatus, isOwnAddress, lines, pairs, formatVotes, indicators } = examine(message)
  if (!isDeliveryReport(indicators)) return null
  const enclosedReport = deliveryStatus.recipients.length === 0 ? readEnclosedReport(message, pairs) : null
  if (enclosedReport !== null) return enclosedReport
  const recipients = readRecipients({
    dsnRecipients: deliveryStatus.recipients.slice(0, MAX_DSN_RECIPIENTS),
    pairs,
    lines,
    subject: message.subject,
    failedRecipients: message.headers['x-failed-recipients'],
    originalMessage: message.originalMessage,
    reporterDomain:
      message.from !== null && DAEMON_ADDRESS.test(message.from) ? message.from.slice(message.from.lastIndexOf('@') + 1) : null,
    isOwnAddress,
  })
  return {
    kind: reportKindOf(recipients),
    format: deliveryStatus.recipients.length > 0 ? 'rfc3464' : (formatVotes.bestFormat ?? 'generic'),
    recipients,
    envelopeId: deliveryStatus.envelopeId,
    queueId: deliveryStatus.queueId,
    reportingMta: deliveryStatus.reportingMta,
  }
}

/** The indicators of a delivery report in a message. Total. */
export function findReportIndicators(message: ParsedMessage): readonly IndicatorId[] {
  return examine(message).indicators
}

type Examination = {
  readonly deliveryStatus: DeliveryStatusFields
  readonly isOwnAddress: (address: string) => boolean
  readonly lines: readonly TextLine[]
  readonly pairs: readonly AddressDiagnosticPair[]
  readonly formatVotes: FormatVotes
  readonly indicators: readonly IndicatorId[]
}

/** Everything in a message that shows whether it is a delivery report. */
function examine(message: ParsedMessage): Examination {
  const deliveryStatus = parseDeliveryStatus(findStatusTexts(message))
  const isOwnAddress = createOwnAddressCheck(message)
  const lines = selectProse(message, deliveryStatus)
  const pairs = findAddressDiagnosticPairs(lines, isOwnAddress)
  const formatVotes = deliveryStatus.recipients.length > 0 ? NO_FORMAT_VOTES : countFormatVotes(message)
  const indicators = findIndicators(collectEvidence(message, deliveryStatus, pairs, formatVotes))
  return { deliveryStatus, isOwnAddress, lines, pairs, formatVotes, indicators }
}

const DAEMON_ADDRESS = /^(?:mailer-?daemon|postmaster)@/i

function findStatusTexts(message: ParsedMessage): readonly string[] {
  if (message.parts.statusTexts.length > 0) return message.parts.statusTexts
  return message.parts.lines.some((line) => line.text.includes('-') && /^[ \t]*(?:final|original)-recipient[ \t]*:/i.test(line.text))
    ? [message.bodyText.replace(/^[ \t]+(?=[A-Z][A-Za-z-]{3,30}:)/gm, '')]
    : []
}

/** The lines of the text that are not fields of a report, if the fields stand in the text. */
function selectProse({ parts }: ParsedMessage, { recipients }: DeliveryStatusFields): readonly TextLine[] {
  return parts.statusTexts.length > 0 || recipients.length === 0 ? parts.lines : parts.lines.filter(({ text }) => !isStatusField(text))
}

function reportKindOf(recipients: readonly RecipientReport[]): ReportKind {
  if (recipients.some((entry) => entry.action === 'failed')) return 'bounce'
  return recipients.some((entry) => entry.action === 'delayed') ? 'delay' : 'delivered'
}

/** Whether an address belongs to the reader or the writer of the report, or to the sender of the returned message. */
function createOwnAddressCheck(message: ParsedMessage): (address: string) => boolean {
  let addresses: ReadonlySet<string> | null = null
  return (address) => (addresses ??= collectOwnAddresses(message)).has(address)
}

function collectOwnAddresses(message: ParsedMessage): ReadonlySet<string> {
  const addresses = [
    message.from,
    ...message.to,
    parseFieldAddress(message.headers['delivered-to']),
    message.originalMessage?.from ?? null,
    message.originalMessage?.returnPath ?? null,
  ]
  return new Set(addresses.flatMap((address) => (address === null ? [] : [address.toLowerCase()])))
}

type FormatVotes = {
  readonly bestFormat: string | null
  readonly headerFormatCount: number
  readonly signatureLineCount: number
  readonly sectionLineCount: number
}

const NO_FORMAT_VOTES: FormatVotes = { bestFormat: null, headerFormatCount: 0, signatureLineCount: 0, sectionLineCount: 0 }

const VOTE_WEIGHTS: Readonly<Record<MarkerRole, number>> = {
  signature: 3,
  recipientsBelow: 2,
  recipientLabel: 2,
  originalBelow: 1,
  senderLabel: 1,
  advice: 1,
  diagnosticsBelow: 1,
}

/** Votes for the layout of the report. Headers and sentences of one program count more than section titles that others copy. */
function countFormatVotes(message: ParsedMessage): FormatVotes {
  const formatVotes = new Map<string, number>()
  const headerFormats = matchFormatsByHeader(message.headers)
  for (const id of headerFormats) formatVotes.set(id, (formatVotes.get(id) ?? 0) + 2)
  let signatureLineCount = 0
  let sectionLineCount = 0
  for (const line of message.parts.lines) {
    for (const marker of line.markers) {
      if (marker.role === 'signature') signatureLineCount++
      else sectionLineCount++
      formatVotes.set(marker.format, (formatVotes.get(marker.format) ?? 0) + VOTE_WEIGHTS[marker.role])
    }
  }
  const best = [...formatVotes.entries()].reduce<readonly [string | null, number]>(
    (top, entry) => (entry[1] > top[1] ? entry : top),
    [null, 0],
  )
  return { bestFormat: best[0], headerFormatCount: headerFormats.length, signatureLineCount, sectionLineCount }
}

function collectEvidence(
  message: ParsedMessage,
  deliveryStatus: DeliveryStatusFields,
  pairs: readonly AddressDiagnosticPair[],
  formatVotes: FormatVotes,
): ReportEvidence {
  const bestRank = pairs.reduce((most, pair) => Math.max(most, pair.rank), 0)
  const isQuoted = bestRank === RANK.reply || bestRank === RANK.command
  return {
    headers: message.headers,
    subject: message.subject,
    from: message.headers['from'] ?? '',
    reportType: message.reportType,
    bodyText: message.bodyText,
    dsnRecipientCount: deliveryStatus.recipients.length,
    hasNamedAddress: bestRank >= RANK.target,
    hasQuotedAddress: isQuoted,
    hasAddress: bestRank > 0,
    hasFailureList: pairs.some((pair) => pair.hasFailureTitle && pair.rank >= RANK.alone),
    hasFailureText: pairs
      .slice(0, 20)
      .some((pair) => pair.hasFailureTitle || pair.diagnosticLines.some((line) => FAILURE_PHRASE.test(line) || REPLY_LINE.test(line))),
    headerFormatCount: formatVotes.headerFormatCount,
    signatureLineCount: formatVotes.signatureLineCount,
    sectionLineCount: formatVotes.sectionLineCount,
    hasOriginalMessage: message.originalMessage !== null,
  }
}

/** Headers of a report that a gateway pasted below its own text. */
const PASTED_REPORT = /^(?:content-type:\s*multipart\/report|from:.{0,80}mailer-daemon|x-failed-recipients:)/im

/** Reads the enclosed report if a gateway wrapped it in a message without recipients of its own. */
function readEnclosedReport(message: ParsedMessage, pairs: readonly AddressDiagnosticPair[]): ReportFinding | null {
  const { originalPart: part, pastedOriginal, mime } = message.parts
  if (pairs.length > 0 || message.headers['x-failed-recipients'] !== undefined) return null
  const bytes =
    part !== null
      ? mime.raw.subarray(part.headerStart, part.bodyEnd)
      : pastedOriginal !== null && PASTED_REPORT.test(pastedOriginal.slice(0, 8_192))
        ? new TextEncoder().encode(pastedOriginal)
        : null
  const enclosedReport = bytes === null ? null : message.readEnclosed(bytes)
  if (enclosedReport === null || (enclosedReport.kind !== 'bounce' && enclosedReport.kind !== 'delay')) return null
  const { kind, format, recipients, originalMessage, envelopeId, queueId, reportingMta } = enclosedReport
  return recipients.some((entry) => entry.recipient !== null)
    ? { kind, format, recipients, originalMessage, envelopeId, queueId, reportingMta }
    : null
}
