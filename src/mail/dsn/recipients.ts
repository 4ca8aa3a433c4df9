/**
 * recipients - the recipients of a delivery report, each with the reply about it
 *
 * Order of trust: delivery-status groups, X-Failed-Recipients, addresses in the text, an address in the subject, the single
 * recipient of the returned message, the only address in the text. The words of the remote server come before those of the reporter.
 *
 * Pure, total, at most 1,000 recipients. See also: mail/dsn/dsn, mail/freeform/reader, mail/dsn/delivery-report.
 */
import { extractAddresses } from '../mime/address.ts'
import type { TextLine } from '../freeform/split-quoted.ts'
import { isSectionTitle } from '../freeform/format-index.ts'
import type { DsnRecipient } from './dsn-recipient.ts'
import type { AddressDiagnosticPair } from '../freeform/reader.ts'
import { findLocalNames, findOnlyAddress } from '../freeform/unlabelled-recipient.ts'
import { DELIVERED_PHRASE, FAILURE_PHRASE, DELAY_PHRASE, FINAL_FAILURE_PHRASE, REPLY_LINE } from '../freeform/phrases.ts'
import { findLastReply } from '../smtp/last-reply.ts'
import { findSessionRefusal, hasSessionTranscript, removePassedCommands } from '../smtp/session-transcript.ts'
import { NO_REPLY, collapseWhitespace, parseReply } from '../smtp/reply.ts'
import type { SmtpReply } from '../smtp/reply.ts'
import type { DsnAction, RecipientReport, OriginalMessage } from '../report.ts'

const MAX_REPORT_RECIPIENTS = 1_000
/** Length of the text that rules read for one recipient. */
const MAX_RECIPIENT_TEXT = 2_048
/** Length of the text that is searched for a reply. */
const MAX_SEARCHED_TEXT = 65_536

type RecipientSources = {
  readonly dsnRecipients: readonly DsnRecipient[]
  readonly pairs: readonly AddressDiagnosticPair[]
  readonly lines: readonly TextLine[]
  readonly subject: string
  readonly failedRecipients: string | undefined
  readonly originalMessage: OriginalMessage | null
  /** The domain of the mail system that wrote the report, for local names; null if another program or a person wrote it. */
  readonly reporterDomain: string | null
  /** Whether an address (lower case) belongs to the sender or to the reporter. */
  readonly isOwnAddress: (address: string) => boolean
}

/** Reads the recipients from all parts of a report. Returns one without an address if the report names none. Total. */
export function readRecipients(sources: RecipientSources): readonly RecipientReport[] {
  const reportText = extractReportText(sources.lines)
  if (sources.dsnRecipients.length > 0) {
    const searchText = sources.dsnRecipients.length > 1 || sources.pairs.length > 1 ? '' : reportText
    return deduplicateByAddress(
      sources.dsnRecipients.map((dsnRecipient) => ({
        finalName: dsnRecipient.finalName,
        report: fromDsnRecipient(dsnRecipient, { ...sources, reportText, attributableText: searchText }),
      })),
    )
  }
  const namedRecipients = findNamedRecipients(sources)
  const action = actionFromText(sources.subject, reportText)
  const isOnlyRecipient = namedRecipients.length === 1
  if (namedRecipients.length === 0) return [fromText({ recipient: null, original: null, text: reportText, action })]
  const sharedText = extractDiagnosticSections(sources)
  return namedRecipients.map((entry) => {
    const ownText = entry.diagnosticLines.join('\n')
    return fromText({
      recipient: entry.address,
      original: entry.originalAddress,
      text: isOnlyRecipient ? selectNearestText(ownText, sharedText, reportText) : ownText === '' ? sharedText : ownText,
      ownText,
      sharedText: isOnlyRecipient ? sharedText : '',
      action,
    })
  })
}

/** `reportText`: the report's own text. `attributableText`: the same text if it can only be about this one recipient, else empty. */
type RecipientContext = RecipientSources & { readonly reportText: string; readonly attributableText: string }

function fromDsnRecipient(dsnRecipient: DsnRecipient, sources: RecipientContext): RecipientReport {
  const { attributableText: searchText } = sources
  const pair = findPair(dsnRecipient, sources)
  const ownText = pair?.diagnosticLines.join('\n') ?? ''
  const diagnosticReply = readDiagnostic(dsnRecipient, ownText === '' ? searchText : ownText)
  const remaining =
    diagnosticReply.source === 'diagnostic' && ownText === '' && isInformative(dsnRecipient.diagnosticText)
      ? ''
      : ownText === ''
        ? searchText
        : diagnosticReply.reply.code === null && diagnosticReply.reply.status === null
          ? `${ownText}\n${searchText}`
          : ownText
  return {
    recipient: dsnRecipient.finalRecipient ?? dsnRecipient.originalRecipient,
    originalRecipient: dsnRecipient.originalRecipient,
    action: dsnRecipient.action ?? actionFromStatus(dsnRecipient.status, sources),
    status: dsnRecipient.status,
    reply: diagnosticReply.reply,
    replySource: diagnosticReply.source,
    remoteMta: dsnRecipient.remoteMta ?? diagnosticReply.host,
    text: joinText(
      dsnRecipient.diagnosticText === '' ? dsnRecipient.statusComment : dsnRecipient.diagnosticText,
      removePassedCommands(remaining),
    ),
    lastAttemptAt: dsnRecipient.lastAttemptAt,
    willRetryUntil: dsnRecipient.willRetryUntil,
  }
}

/** Whether a diagnostic contains more than codes. */
function isInformative(diagnostic: string): boolean {
  return diagnostic.replace(/[\d.\s;-]/g, '').length > 12
}

function findPair(dsnRecipient: DsnRecipient, sources: RecipientSources): AddressDiagnosticPair | undefined {
  const names = [dsnRecipient.finalRecipient, dsnRecipient.originalRecipient]
    .filter((name) => name !== null)
    .map((name) => name.toLowerCase())
  const found = sources.pairs.find((pair) => names.includes(pair.address.toLowerCase()))
  return found ?? (sources.dsnRecipients.length === 1 && sources.pairs.length === 1 ? sources.pairs[0] : undefined)
}

type DiagnosticReply = { readonly reply: SmtpReply; readonly source: RecipientReport['replySource']; readonly host: string | null }

/** X.4.7 only means that delivery expired. The last reply of the remote server says why. */
const EXPIRED_STATUS = /^[45]\.4\.7$/

function readDiagnostic(dsnRecipient: DsnRecipient, searchText: string): DiagnosticReply {
  const reply = dsnRecipient.diagnosticText === '' ? NO_REPLY : parseReply(dsnRecipient.diagnosticText)
  const hasCode = reply.code !== null || reply.status !== null
  if (hasCode && !isExpired(reply)) return { reply, source: 'diagnostic', host: null }
  const lastReply = hasCode ? findLastReply(dsnRecipient.diagnosticText.slice(dsnRecipient.diagnosticText.indexOf('4.7') + 3)) : null
  if (lastReply !== null && !isExpired(lastReply.reply) && lastReply.reply.code !== null)
    return { reply: lastReply.reply, source: 'diagnostic', host: lastReply.host }
  const found = searchText === '' ? null : findLastReply(searchText.slice(0, MAX_SEARCHED_TEXT))
  if (found !== null && !isExpired(found.reply)) return { reply: found.reply, source: 'text', host: found.host }
  if (hasCode || reply.text !== '') return { reply, source: 'diagnostic', host: null }
  return { reply: NO_REPLY, source: 'none', host: null }
}

function isExpired(reply: SmtpReply): boolean {
  return reply.status !== null && EXPIRED_STATUS.test(reply.status)
}

function actionFromStatus(status: string | null, sources: RecipientContext): DsnAction {
  if (status?.startsWith('2')) return 'delivered'
  return status?.startsWith('4') ? actionFromText(sources.subject, sources.reportText) : 'failed'
}

/** The action that the text implies. */
function actionFromText(subject: string, reportText: string): DsnAction {
  const searchText = `${subject}\n${reportText.slice(0, 4_096)}`
  if (DELAY_PHRASE.test(searchText) && !FINAL_FAILURE_PHRASE.test(searchText)) return 'delayed'
  return DELIVERED_PHRASE.test(searchText) && !FINAL_FAILURE_PHRASE.test(searchText) ? 'delivered' : 'failed'
}

type NamedRecipient = Pick<AddressDiagnosticPair, 'address' | 'originalAddress' | 'diagnosticLines'>

function findNamedRecipients(sources: RecipientSources): readonly NamedRecipient[] {
  const headerAddresses =
    sources.failedRecipients === undefined
      ? []
      : extractAddresses(sources.failedRecipients, MAX_REPORT_RECIPIENTS).map((entry) => entry.address)
  if (headerAddresses.length > 0) return mergeHeaderWithPairs([...new Set(headerAddresses)], sources.pairs)
  if (sources.pairs.length > 0) return sources.pairs.slice(0, MAX_REPORT_RECIPIENTS)
  const inSubject = extractAddresses(sources.subject, 2)
  if (inSubject.length === 1) return inSubject.map(withoutDiagnostic)
  const localNames = sources.reporterDomain === null ? [] : findLocalNames(sources.lines)
  if (localNames.length > 0) return localNames.map((name) => withoutDiagnostic({ address: `${name}@${sources.reporterDomain}` }))
  const to = sources.originalMessage?.to ?? []
  if (to.length === 1) return to.map((address) => withoutDiagnostic({ address }))
  const onlyAddress = findOnlyAddress(sources.lines, sources.isOwnAddress)
  return onlyAddress === null ? [] : [withoutDiagnostic({ address: onlyAddress })]
}

function withoutDiagnostic(entry: { readonly address: string }): NamedRecipient {
  return { address: entry.address, originalAddress: null, diagnosticLines: [] }
}

/** Combines the addresses of X-Failed-Recipients with their text. Further addresses in the text are ignored. */
function mergeHeaderWithPairs(headerAddresses: readonly string[], pairs: readonly AddressDiagnosticPair[]): readonly NamedRecipient[] {
  const remaining = new Map(pairs.map((pair) => [pair.address.toLowerCase(), pair] as const))
  const out: NamedRecipient[] = []
  for (const address of headerAddresses) {
    const key = address.toLowerCase()
    const pair = remaining.get(key) ?? [...remaining.values()].find((entry) => entry.originalAddress?.toLowerCase() === key)
    if (pair !== undefined) remaining.delete(pair.address.toLowerCase())
    out.push(pair ?? withoutDiagnostic({ address }))
  }
  return out
}

/** The text next to the only recipient and in diagnostic sections if it is about a failure; else the whole text. */
function selectNearestText(ownText: string, sharedText: string, reportText: string): string {
  const near = `${ownText}\n${sharedText}`.trim()
  return ownText.length + sharedText.length > 15 && (FAILURE_PHRASE.test(near) || REPLY_LINE.test(near)) ? near : reportText
}

type TextSources = {
  recipient: string | null
  original: string | null
  text: string
  ownText?: string
  sharedText?: string
  action: DsnAction
}

function fromText(source: TextSources): RecipientReport {
  const sharedText = (source.sharedText ?? '').slice(0, MAX_SEARCHED_TEXT)
  const found =
    (hasSessionTranscript(sharedText) ? findSessionRefusal(sharedText, source.recipient) : null) ??
    findReason(source.ownText === '' ? source.text : (source.ownText ?? '')) ??
    findLastReply(sharedText, source.recipient) ??
    findLastReply(source.text.slice(0, MAX_SEARCHED_TEXT), source.recipient)
  return {
    recipient: source.recipient,
    originalRecipient: source.original,
    action: source.action,
    status: null,
    reply: found?.reply ?? NO_REPLY,
    replySource: found === null ? 'none' : 'text',
    remoteMta: found?.host ?? null,
    text: joinText(removePassedCommands(source.ownText ?? ''), removePassedCommands(source.text)),
    lastAttemptAt: null,
    willRetryUntil: null,
  }
}

/** The reply that Sendmail repeats below a recipient: `(reason: 550 5.1.1 …)`. */
function findReason(ownText: string): ReturnType<typeof findLastReply> {
  const reason = /\(reason: ([245]\d\d[^\n]{0,2000}?)\)?\s*(?:\n|$)/i.exec(ownText)?.[1]
  return reason === undefined ? null : { reply: parseReply(reason), host: null }
}

/** Joins texts for the rules: the text nearest to the recipient first, without repetition. */
function joinText(first: string, remaining: string): string {
  const near = collapseWhitespace(first.slice(0, MAX_SEARCHED_TEXT))
  const far = collapseWhitespace(remaining.slice(0, MAX_SEARCHED_TEXT))
  if (near === '' || far.startsWith(near)) return far.slice(0, MAX_RECIPIENT_TEXT)
  if (far === '' || near.includes(far)) return near.slice(0, MAX_RECIPIENT_TEXT)
  return `${near} ${far.replace(near, '')}`.slice(0, MAX_RECIPIENT_TEXT)
}

/** The report's text without greetings and advice. */
function extractReportText(lines: readonly TextLine[]): string {
  const kept: string[] = []
  let size = 0
  let isSkipping = false
  for (const line of lines) {
    for (const marker of line.markers) isSkipping = marker.role === 'advice' || marker.role === 'senderLabel'
    if (line.text.trim() === '') {
      if (kept.length > 0 && kept[kept.length - 1] !== '') kept.push('')
      continue
    }
    if (isSkipping) continue
    kept.push(line.text)
    size += line.text.length
    if (size > MAX_SEARCHED_TEXT) break
  }
  return kept.join('\n')
}

/** The text of diagnostic sections, for reports with several recipients and one reason. */
function extractDiagnosticSections(sources: RecipientSources): string {
  const kept: string[] = []
  let isCollecting = false
  for (const line of sources.lines) {
    const isTitle = line.markers.some((marker) => isSectionTitle(line.text, marker))
    for (const marker of line.markers) {
      if (marker.role === 'diagnosticsBelow') isCollecting = true
      else if (marker.role === 'advice' || (marker.role !== 'signature' && isTitle)) isCollecting = false
    }
    if (isCollecting && kept.length < 100 && !isTitle) kept.push(line.text)
  }
  return kept.join('\n').trim()
}

/** Keeps one report for each recipient. A report may list one for each attempt: `failed` wins, then the last. */
function deduplicateByAddress(
  groups: readonly { readonly finalName: string; readonly report: RecipientReport }[],
): readonly RecipientReport[] {
  if (groups.length === 1) return groups.map(({ report }) => report)
  const byAddress = new Map<string, RecipientReport>()
  for (const { finalName, report } of groups) {
    // Copies for local names of the reporter have the same address and different names.
    const key = `${report.recipient ?? ''} ${finalName}`.toLowerCase()
    const before = byAddress.get(key)
    if (before === undefined || before.action !== 'failed' || report.action === 'failed')
      byAddress.set(key, before !== undefined && before.replySource === 'diagnostic' && report.replySource === 'none' ? before : report)
  }
  return [...byAddress.values()].slice(0, MAX_REPORT_RECIPIENTS)
}
