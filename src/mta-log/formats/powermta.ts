/**
 * powermta - the accounting files of PowerMTA: CSV with a header line
 *
 * Types: d (delivered), b (bounced), t (transient); others say nothing about a mail in the queue. The queue id is the ENVID of the mail, else its job.
 *
 * Pure, total. RFC 4180; PowerMTA's user guide, "Accounting". See also: mta-log/log-formats.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { createLogOutcome, type LogEvent, type LogOutcome, type LogRelay } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { parseLogTime } from '../log-time.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'

const EVENTS: Readonly<Record<string, LogEvent>> = {
  d: 'sent',
  delivery: 'sent',
  b: 'bounced',
  bounce: 'bounced',
  t: 'deferred',
  transient: 'deferred',
}

/** What a header line begins with, and no record does. */
const HEADER = /^"?type"?,/i
const RECORD = /^"?(?:d|b|t|tq|r|f|rb|rs|s|delivery|bounce|transient|received|feedback-loop|remote-bounce|remote-status)"?,/
const DIAGNOSTIC_TYPE = /^[\w-]{1,20};\s?/
const STATUS = /^([245]\.\d{1,3}\.\d{1,3})/
/** RFC 3463: delivery time expired. */
const EXPIRED = /^[45]\.4\.7\b|expired/i
const MTA = /^([^\s(]+)(?: \(([0-9a-fA-F.:]+)\))?$/

/** The columns of the manual's default, for a file whose header was not seen. */
const DEFAULT_COLUMNS =
  'type,timelogged,timequeued,orig,rcpt,orcpt,dsnaction,dsnstatus,dsndiag,dsnmta,bouncecat,srctype,srcmta,dlvtype,dlvsourceip,dlvdestinationip,dlvesmtpavailable,dlvsize,vmta,jobid,envid,queue,vmtapool'.split(
    ',',
  )

export const parsePowermtaLine: ParseLine = (line, { clock, columns }) => {
  if (HEADER.test(line)) return { columns: splitCsv(line).map((name) => name.trim().toLowerCase()) }
  if (!RECORD.test(line)) return null
  const names = columns.length === 0 ? DEFAULT_COLUMNS : columns
  const values = splitCsv(line)
  const field = (name: string): string => values[names.indexOf(name)] ?? ''
  const event = EVENTS[field('type')]
  const recipient = field('rcpt')
  if (event === undefined || recipient === '') return []
  const messageId = field('header_message-id')
  const status = field('dsnstatus')
  const diagnostic = field('dsndiag').replace(DIAGNOSTIC_TYPE, '')
  return [
    {
      ...createLogOutcome(event === 'bounced' && EXPIRED.test(status) ? 'expired' : event, field('envid') || field('jobid')),
      time: parseLogTime(field('timelogged'), clock),
      sender: names.includes('orig') ? field('orig') : null,
      recipient,
      origTo: field('orcpt').replace(/^rfc822;/i, '') || null,
      relay: relayOf(field('dsnmta'), field('dlvdestinationip')),
      dsn: STATUS.exec(status)?.[1] ?? null,
      ...readReplyText(diagnostic === '' ? status : diagnostic),
      messageId: messageId === '' ? null : bareMessageId(messageId),
      queuedAs: event === 'sent' ? readQueuedAs(diagnostic) : null,
      egressIp: field('dlvsourceip') || null,
    },
  ]
}

/** `mx.example.org (192.0.2.25)`. */
function relayOf(mta: string, ip: string): LogRelay | null {
  const [, name = null, address = null] = MTA.exec(mta.replace(/^dns;\s?/i, '')) ?? []
  if (name === null && ip === '') return null
  return { kind: 'host', name: name?.toLowerCase() ?? null, ip: address ?? (ip || null) } satisfies LogOutcome['relay']
}

/** The values of one record. A quote that is not closed ends with the line. Total. */
function splitCsv(line: string): readonly string[] {
  const values: string[] = []
  let rest = line
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)(?:"|$)([^,]*)/.exec(rest)
    const plain = quoted ?? /^([^,]*)/.exec(rest)
    const [whole = '', value = ''] = plain ?? []
    values.push(quoted === null ? value : value.replaceAll('""', '"'))
    if (rest.length === whole.length) return values
    rest = rest.slice(whole.length + 1)
  }
}
