/**
 * ndr-builder - the report of a provider that has taken a mail and could not deliver it
 *
 * Pure: the moment and the id are given. RFC 3464, RFC 3834. See also: simulator/smtp/ndr-templates (the words), simulator/smtp/provider-server (who sends it).
 */
import { parseReply } from '../../mail/smtp/reply.ts'
import { buildMultipartReport } from './multipart-report.ts'
import { NDR_TEMPLATES, DEFAULT_NDR_TEMPLATE } from './ndr-templates.ts'

/** A mail as the provider has it. `head` are its header lines, without the empty line. */
export type AcceptedMessage = {
  readonly from: string
  readonly recipient: string
  readonly header: string
  readonly acceptedAt: number
  readonly envelopeId: string | null
  readonly ip: string
}

type NdrInput = {
  readonly provider: string
  readonly host: string
  readonly sender: string
  readonly message: AcceptedMessage
  /** The words of the failure, code first. */
  readonly reply: string
  readonly at: number
  readonly id: string
}

/** The report's bytes, to the mail's Return-Path. */
export function buildNdr({ provider, host, sender, message, reply, at, id }: NdrInput): Buffer {
  const template = NDR_TEMPLATES[provider] ?? DEFAULT_NDR_TEMPLATE
  const { code, status } = parseReply(reply)
  const values: Readonly<Record<string, string>> = {
    recipient: message.recipient,
    reply,
    host,
    subject: headerFieldOf(message.header, 'subject') ?? '',
    code: String(code ?? ''),
  }
  const fill = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
  const domain = sender.slice(sender.lastIndexOf('@') + 1)
  const headers = {
    Date: formatDate(at),
    From: template.name === '' ? sender : `${template.name} <${sender}>`,
    To: message.from,
    Subject: fill(template.subject),
    'Message-ID': `<${id}@${domain}>`,
    ...Object.fromEntries(Object.entries(template.headers).map(([name, value]) => [name, fill(value)])),
  }
  const original = headerFieldOf(message.header, 'message-id')
  const threadHeaders = original === null ? {} : { 'In-Reply-To': original, References: original }
  const statusFields = [
    `Reporting-MTA: dns; ${fill(template.reportingMta)}`,
    ...(message.envelopeId === null ? [] : [`Original-Envelope-Id: ${message.envelopeId}`]),
    `Arrival-Date: ${formatDate(message.acceptedAt)}`,
    '',
    `Final-Recipient: rfc822; ${message.recipient}`,
    'Action: failed',
    `Status: ${status ?? (code !== null && code < 500 ? '4.0.0' : '5.0.0')}`,
    `Remote-MTA: dns; ${host}`,
    `Diagnostic-Code: smtp; ${reply}`,
    `Last-Attempt-Date: ${formatDate(at)}`,
  ]
  const returnedType = template.returns === 'message' ? 'message/rfc822' : 'text/rfc822-headers'
  return buildMultipartReport({
    headers: { ...headers, ...threadHeaders },
    reportType: 'delivery-status',
    boundary: `ndr_${id}`,
    parts: [
      { type: 'text/plain', text: template.text.map(fill).join('\n') },
      {
        type: isPrintableAscii(statusFields) ? 'message/delivery-status' : 'message/global-delivery-status',
        text: statusFields.join('\n'),
      },
      { type: returnedType, text: `Return-Path: <${message.from}>\n${message.header}\n` },
    ],
  })
}

const isPrintableAscii = (lines: readonly string[]): boolean => lines.every((line) => /^[\u0020-\u007e]*$/.test(line))

/** RFC 5322 §3.3. */
export const formatDate = (at: number): string => new Date(at).toUTCString().replace('GMT', '+0000')

/** The value of a header, unfolded; null where it is not there. */
export function headerFieldOf(header: string, name: string): string | null {
  const unfolded = header.replaceAll(/\r?\n[ \t]+/g, ' ')
  const line = unfolded.split(/\r?\n/).find((each) => each.toLowerCase().startsWith(`${name}:`))
  return line === undefined ? null : line.slice(name.length + 1).trim()
}
