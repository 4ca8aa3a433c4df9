/**
 * report-copy - which report is passed on to its sender, and the mail that does so
 *
 * A copy is a mail of our own with the report attached. It can never be part of a loop:
 *
 * | rule                                                                       | what it ends                                                |
 * |----------------------------------------------------------------------------|-------------------------------------------------------------|
 * | the envelope sender is null, Auto-Submitted is set                         | bounces of copies, replies to copies (RFC 3834)             |
 * | a mail with the field Bounced-Copy, in its header or in what it returns, is not copied, whoever wrote the field | two installations that copy to each other |
 * | a mail that has passed more than {@link MAX_HOPS} servers is not copied    | a loop in which somebody removes the field                  |
 * | one copy of each kind for one delivery (store/mail/report-copies)          | the same, and a recipient who writes many reports           |
 * | no copy to a domain of ours                                                | this installation as its own reader                         |
 * | only what a token or a reporter's signature proves; no complaints          | strangers who choose the sender                             |
 *
 * The field names the copy. Its MAC makes the Message-ID and the boundary unguessable, and shows an operator whether a copy is his; a copy with a
 * wrong one is still a copy.
 *
 * Pure. RFC 3834, RFC 5321 §4.5.5 and §6.3. See also: service/report-copies, docs/DELIVERY.md.
 */
import { isDoubleBounce } from '../correlate/double-bounce.ts'
import { normaliseAddress } from '../correlate/address-hash.ts'
import type { Report } from '../mail/report.ts'

const COPY_FIELD = 'Bounced-Copy'

/** The kinds of reports that an account may have copied. A complaint is never one: whoever complained wants no more mail about it. */
export const REPORT_COPY_KINDS = ['bounce', 'delay', 'auto-reply'] as const
export type ReportCopyKind = (typeof REPORT_COPY_KINDS)[number]

/** RFC 5321 §6.3 requires at least 100 for a server; a report passes a few. */
const MAX_HOPS = 25
/** What is counted of the header. */
const MAX_HEADER_BYTES = 65_536
/** A report quotes the header or the whole of one mail. */
const MAX_ATTACHED_BYTES = 1_048_576
/** RFC 5322 §2.1.1. */
const MAX_LINE_LENGTH = 998

type CopyRefusal = 'off' | 'kind' | 'unproven' | 'copy' | 'hops' | 'own-domain' | 'no-recipient'

type CopySettings = { readonly reportCopies: string; readonly reportCopyKinds: readonly string[] }

type CopyInput = {
  readonly report: Report
  readonly raw: Uint8Array
  /** How the report is proven; null: it is not. */
  readonly proof: string | null
  readonly settings: CopySettings
  /** The address that the account sent from. */
  readonly sender: string
  /** Return-Path, feedback, VERP, inbound and tracking domains, with their subdomains. */
  readonly ownDomains: readonly string[]
}

/** Whom a report is passed on to, or why to nobody. */
type CopyPlan =
  | { readonly recipient: string; readonly kind: ReportCopyKind; readonly refusal: null }
  | { readonly recipient: null; readonly refusal: CopyRefusal }

const PROOFS_OF_COPIES: readonly (string | null)[] = ['token', 'signed']

/** Plans the copy of a report. Total. */
export function planReportCopy({ report, raw, proof, settings, sender, ownDomains }: CopyInput): CopyPlan {
  const refuse = (refusal: CopyRefusal): CopyPlan => ({ recipient: null, refusal })
  const kind = REPORT_COPY_KINDS.find((each) => each === report.kind && settings.reportCopyKinds.includes(each))
  if (settings.reportCopies === 'off') return refuse('off')
  if (kind === undefined) return refuse('kind')
  if (!PROOFS_OF_COPIES.includes(proof) || report.isForwarded) return refuse('unproven')
  if (hasCopyField(report, raw)) return refuse('copy')
  if (countHops(raw) > MAX_HOPS) return refuse('hops')
  const recipient = copyRecipientOf(settings, sender)
  if (recipient === null) return refuse('no-recipient')
  // The second part: the bounce of an answer to us.
  return isOwnAddress(recipient, ownDomains) || isDoubleBounce(report, ownDomains)
    ? refuse('own-domain')
    : { recipient, kind, refusal: null }
}

/** The address that copies of the account go to now. Null: none. */
export const copyRecipientOf = ({ reportCopies }: CopySettings, sender: string): string | null =>
  reportCopies === 'off' ? null : (normaliseAddress(reportCopies === 'sender' ? sender : reportCopies)?.address ?? null)

/** Whether an address is at one of these domains, or below one. */
export function isOwnAddress(address: string, ownDomains: readonly string[]): boolean {
  const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase()
  return ownDomains.some((own) => domain === own || domain.endsWith(`.${own}`))
}

/** Looks in the header, in the returned header and, for gateways that turn parts into text, at the beginning of each line of the mail. */
function hasCopyField({ headers, originalMessage }: Report, raw: Uint8Array): boolean {
  const name = COPY_FIELD.toLowerCase()
  const returned = originalMessage?.headers ?? {}
  return (
    Object.hasOwn(headers, name) || Object.hasOwn(returned, name) || /^[>\s]{0,8}bounced-copy\s?:/im.test(textOf(raw, MAX_ATTACHED_BYTES))
  )
}

const countHops = (raw: Uint8Array): number => {
  const text = textOf(raw, MAX_HEADER_BYTES)
  const end = /\r?\n\r?\n/.exec(text)?.index ?? text.length
  return text.slice(0, end).match(/^received\s?:/gim)?.length ?? 0
}

const textOf = (raw: Uint8Array, maxBytes: number): string => Buffer.from(raw.subarray(0, maxBytes)).toString('latin1')

type CopyMail = {
  readonly from: string
  readonly to: string
  readonly date: number
  /** Names the copy, as text of a field. */
  readonly id: string
  /** The MAC of `id` and `to`, in hex: it also makes the boundary, which no report can contain. */
  readonly mac: string
  readonly kind: ReportCopyKind
  /** The mail that the report is about. */
  readonly about: { readonly recipient: string | null; readonly subject: string; readonly sentAt: number }
  readonly raw: Uint8Array
}

const TITLES = { bounce: 'Undelivered', delay: 'Delayed', 'auto-reply': 'Automatic reply' } as const satisfies Record<
  ReportCopyKind,
  string
>

/** The mail of a copy. Its lines end in CRLF, and it is ASCII alone. */
export function writeReportCopy(copy: CopyMail): Buffer {
  const { from, to, date, id, mac, kind, about } = copy
  const boundary = `=_${mac.slice(0, 40)}`
  const recipient = about.recipient ?? 'a recipient'
  const summary = [
    `This is a copy of a report about a mail that was sent from this address or account.`,
    '',
    `To:      ${recipient}`,
    `Subject: ${about.subject}`,
    `Sent:    ${dateText(about.sentAt)}`,
    '',
    'The report is attached. Please do not reply to this mail.',
    '',
  ]
  const lines = [
    `From: Mail delivery <${from}>`,
    `To: <${to}>`,
    `Subject: ${TITLES[kind]}: ${asciiText(recipient)}`,
    `Date: ${dateText(date)}`,
    `Message-ID: <${id}.${mac.slice(0, 16)}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    'Auto-Submitted: auto-generated',
    'X-Auto-Response-Suppress: All',
    `${COPY_FIELD}: hop=1; id=${id}; mac=${mac}`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    ...base64Lines(Buffer.from(summary.join('\r\n'))),
    `--${boundary}`,
    ...attachmentOf(copy.raw),
    `--${boundary}--`,
    '',
  ]
  return Buffer.from(lines.join('\r\n'), 'latin1')
}

/** The report as a message if it is plain text with lawful lines; else as a file, because a message part has no encoding (RFC 2046 §5.2.1). */
function attachmentOf(whole: Uint8Array): readonly string[] {
  const raw = Buffer.from(whole.subarray(0, MAX_ATTACHED_BYTES))
  const lines = raw.toString('latin1').split(/\r\n|\r|\n/)
  const isPlain = lines.every((line) => line.length <= MAX_LINE_LENGTH && /^[\t\x20-\x7E]*$/.test(line))
  return isPlain
    ? ['Content-Type: message/rfc822', 'Content-Disposition: attachment; filename="report.eml"', '', ...lines]
    : [
        'Content-Type: application/octet-stream; name="report.eml"',
        'Content-Disposition: attachment; filename="report.eml"',
        'Content-Transfer-Encoding: base64',
        '',
        ...base64Lines(raw),
      ]
}

const dateText = (at: number): string => new Date(at).toUTCString().replace('GMT', '+0000')

/** For a field: an address in another script is left out of it, and stands in the text. */
const asciiText = (text: string): string => text.replaceAll(/[^\x20-\x7E]+/g, '?').slice(0, 200)

const base64Lines = (bytes: Buffer): readonly string[] => bytes.toString('base64').match(/.{1,76}/g) ?? []
