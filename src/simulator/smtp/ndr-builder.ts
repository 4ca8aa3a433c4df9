/**
 * ndr-builder - builds the NDR of a simulated provider that accepted a message and could not deliver it
 *
 * Pure: the time and the id are arguments. RFC 3464, RFC 3834. See also: simulator/smtp/ndr-templates (the texts),
 * simulator/smtp/provider-network (sends it).
 */
import { parseReply } from '../../mail/smtp/reply.ts'
import { buildMultipartReport } from './multipart-report.ts'
import { DEFAULT_NDR_TEMPLATE, NDR_TEMPLATES, type NdrTemplate } from './ndr-templates.ts'

/** A message that the provider accepted. `header`: its header lines, without the empty line. */
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
  /** The reply that says why delivery failed, code first. */
  readonly reply: string
  readonly at: number
  readonly id: string
}

/** The NDR as raw mail, to the Return-Path of the message. */
export function buildNdr(input: NdrInput): Buffer {
  const { provider, message, id } = input
  const template = NDR_TEMPLATES[provider] ?? DEFAULT_NDR_TEMPLATE
  const fill = createFill(input)
  const statusFields = statusFieldsOf(input, fill(template.reportingMta))
  const returnedType = template.returns === 'message' ? 'message/rfc822' : 'text/rfc822-headers'
  return buildMultipartReport({
    headers: headersOf(input, template, fill),
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

type Fill = (text: string) => string

/** Replaces the placeholders of a template. An unknown one stays as it is. */
function createFill({ host, message, reply }: NdrInput): Fill {
  const values: Readonly<Record<string, string>> = {
    recipient: message.recipient,
    reply,
    host,
    subject: headerFieldOf(message.header, 'subject') ?? '',
    code: String(parseReply(reply).code ?? ''),
  }
  return (text) => text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}

function headersOf({ sender, message, at, id }: NdrInput, template: NdrTemplate, fill: Fill): Record<string, string> {
  const domain = sender.slice(sender.lastIndexOf('@') + 1)
  const original = headerFieldOf(message.header, 'message-id')
  return {
    Date: formatDate(at),
    From: template.name === '' ? sender : `${template.name} <${sender}>`,
    To: message.from,
    Subject: fill(template.subject),
    'Message-ID': `<${id}@${domain}>`,
    ...Object.fromEntries(Object.entries(template.headers).map(([name, value]) => [name, fill(value)])),
    ...(original === null ? {} : { 'In-Reply-To': original, References: original }),
  }
}

/** The fields of the message/delivery-status part (RFC 3464 §2). */
function statusFieldsOf({ host, message, reply, at }: NdrInput, reportingMta: string): string[] {
  const { code, status } = parseReply(reply)
  return [
    `Reporting-MTA: dns; ${reportingMta}`,
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
}

const isPrintableAscii = (lines: readonly string[]): boolean => lines.every((line) => /^[\u0020-\u007e]*$/.test(line))

/** A date-time of RFC 5322 §3.3, in UTC. */
export const formatDate = (at: number): string => new Date(at).toUTCString().replace('GMT', '+0000')

/** The unfolded value of a header field; null: it is absent. `name` is lower case. */
export function headerFieldOf(header: string, name: string): string | null {
  const unfolded = header.replaceAll(/\r?\n[ \t]+/g, ' ')
  const line = unfolded.split(/\r?\n/).find((each) => each.toLowerCase().startsWith(`${name}:`))
  return line === undefined ? null : line.slice(name.length + 1).trim()
}
