/**
 * ndr-builder - the report of a provider that has taken a mail and could not deliver it
 *
 * Pure: the moment and the id are given. RFC 3464, RFC 3834. See also: simulator/smtp/ndr-templates (the words), simulator/smtp/provider-server (who sends it).
 */
import { parseReply } from '../../mail/smtp/reply.ts'
import { multipartReport } from './multipart-report.ts'
import { NDR_FORMS, PLAIN_FORM } from './ndr-templates.ts'

/** A mail as the provider has it. `head` are its header lines, without the empty line. */
export type Taken = {
  readonly from: string
  readonly recipient: string
  readonly head: string
  readonly takenAt: number
  readonly envelopeId: string | null
  readonly ip: string
}

export type Ndr = {
  readonly provider: string
  readonly host: string
  readonly sender: string
  readonly taken: Taken
  /** The words of the failure, code first. */
  readonly reply: string
  readonly at: number
  readonly id: string
}

/** The report's bytes, to the mail's Return-Path. */
export function makeNdr({ provider, host, sender, taken, reply, at, id }: Ndr): Buffer {
  const form = NDR_FORMS[provider] ?? PLAIN_FORM
  const { code, status } = parseReply(reply)
  const values: Readonly<Record<string, string>> = {
    recipient: taken.recipient,
    reply,
    host,
    subject: fieldOf(taken.head, 'subject') ?? '',
    code: String(code ?? ''),
  }
  const fill = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
  const domain = sender.slice(sender.lastIndexOf('@') + 1)
  const headers = {
    Date: dateOf(at),
    From: form.name === '' ? sender : `${form.name} <${sender}>`,
    To: taken.from,
    Subject: fill(form.subject),
    'Message-ID': `<${id}@${domain}>`,
    ...Object.fromEntries(Object.entries(form.headers).map(([name, value]) => [name, fill(value)])),
  }
  const original = fieldOf(taken.head, 'message-id')
  const named = original === null ? {} : { 'In-Reply-To': original, References: original }
  const group = [
    `Reporting-MTA: dns; ${fill(form.reportingMta)}`,
    ...(taken.envelopeId === null ? [] : [`Original-Envelope-Id: ${taken.envelopeId}`]),
    `Arrival-Date: ${dateOf(taken.takenAt)}`,
    '',
    `Final-Recipient: rfc822; ${taken.recipient}`,
    'Action: failed',
    `Status: ${status ?? (code !== null && code < 500 ? '4.0.0' : '5.0.0')}`,
    `Remote-MTA: dns; ${host}`,
    `Diagnostic-Code: smtp; ${reply}`,
    `Last-Attempt-Date: ${dateOf(at)}`,
  ]
  const returned = form.returns === 'message' ? 'message/rfc822' : 'text/rfc822-headers'
  return multipartReport({
    headers: { ...headers, ...named },
    reportType: 'delivery-status',
    boundary: `ndr_${id}`,
    parts: [
      { type: 'text/plain', text: form.text.map(fill).join('\n') },
      { type: isLatin(group) ? 'message/delivery-status' : 'message/global-delivery-status', text: group.join('\n') },
      { type: returned, text: `Return-Path: <${taken.from}>\n${taken.head}\n` },
    ],
  })
}

const isLatin = (lines: readonly string[]): boolean => lines.every((line) => /^[\u0020-\u007e]*$/.test(line))

/** RFC 5322 §3.3. */
export const dateOf = (at: number): string => new Date(at).toUTCString().replace('GMT', '+0000')

/** The value of a header, unfolded; null where it is not there. */
export function fieldOf(head: string, name: string): string | null {
  const unfolded = head.replaceAll(/\r?\n[ \t]+/g, ' ')
  const line = unfolded.split(/\r?\n/).find((each) => each.toLowerCase().startsWith(`${name}:`))
  return line === undefined ? null : line.slice(name.length + 1).trim()
}
