/**
 * zonemta - the log of ZoneMTA
 *
 * Each line of a delivery has sender, recipient, Message-ID and reply. A part of a mail (`ID.SEQ`) has one recipient.
 *
 *     INFO Sender/default/71 18d0c1a2b3000abc.001 ACCEPTED from=s@… to=a@example.org src=192.0.2.1 mx=mx.example.org[192.0.2.25] id=<…> (250 OK)
 *
 * Pure, total. See also: mta-log/log-formats.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { createLogOutcome, type LogEvent, type LogRelay } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { parseLogTime } from '../log-time.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'
import { parseSyslogLine, programHostOf } from '../syslog-line.ts'

const SENT = /(?:^|\s)(?:id=\S+ )?([0-9a-f]{8,32})\.([0-9a-f]{3}) (ACCEPTED|DEFERRED|REJECTED|NOQUEUE|DROPPED)(?:\[[^\]]*\])? (.*)$/
const FIELDS = /^from=(\S*) to=(\S*) (?:cat=\S+ )?(?:\(\S+\) )?(?:src=(\S*) )?mx=(\S*)(?: id=(\S*))? \((.*)\)$/
const FROM = /^(.*?)\[(.*)\]$/
const MX = /^([^[]*)(?:\[([^\]]*)\])?$/
const PREFIX = /^(?:\[)?(\d{4}-\d\d-\d\d[T ][\d:.,]+(?: ?(?:Z|[+-]\d\d:?\d\d))?)/
const LEVEL = /^(?:\S{0,9}\s)?(?:info|notice|warn|error|verbose|silly|http|\[\d{4})/i

const EVENTS: Readonly<Record<string, LogEvent>> = { ACCEPTED: 'sent', DEFERRED: 'deferred', REJECTED: 'bounced' }

export const parseZonemtaLine: ParseLine = (line, { clock }) => {
  const syslog = parseSyslogLine(line, clock)
  const timeText = PREFIX.exec(line)?.[1]
  const found = SENT.exec(line)
  if (found === null) return syslog === null && timeText === undefined && !LEVEL.test(line) ? null : []
  const [, queueId = '', sequence = '', action = '', rest = ''] = found
  const event = EVENTS[action]
  const fields = FIELDS.exec(rest)
  if (event === undefined || fields === null) return []
  const [, from = '', recipient = '', source = '', mx = '', messageId = '', text = ''] = fields
  const time = syslog?.time ?? (timeText === undefined ? null : parseLogTime(timeText, clock))
  return [
    {
      ...createLogOutcome(event, `${queueId}.${sequence}`),
      time,
      host: programHostOf(syslog),
      sender: senderOf(from),
      recipient: recipient === '' ? null : recipient,
      recipientCount: 1,
      relay: relayOf(mx),
      ...readReplyText(text),
      messageId: messageId === '' || messageId === 'undefined' ? null : bareMessageId(messageId),
      queuedAs: event === 'sent' ? readQueuedAs(text) : null,
      egressIp: source === '' ? null : source,
    },
  ]
}

/** `submitted[envelope]` where a plugin has rewritten the sender; the envelope is what the next server sees. */
function senderOf(text: string): string | null {
  if (text === '' || text === '<>') return ''
  return FROM.exec(text)?.[2] ?? text
}

function relayOf(mx: string): LogRelay | null {
  const [, name = '', ip = ''] = MX.exec(mx) ?? []
  return name === '' && ip === '' ? null : { kind: 'host', name: name === '' ? null : name.toLowerCase(), ip: ip === '' ? null : ip }
}
