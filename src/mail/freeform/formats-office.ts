/**
 * formats-office - rows of mail/freeform/formats: Domino, GroupWise and other servers of offices
 *
 * Pure data. See also: mail/freeform/formats-exchange.
 */
import type { Format } from './formats.ts'

export const OFFICE_SERVERS: readonly Format[] = [
  {
    id: 'domino',
    header: { subject: ['delivery failure:'], 'x-mailer': ['lotus notes', 'lotus domino', 'ibm notes'] },
    opens: ['was not delivered to', 'konnte nicht zugestellt werden an', "n'a pas été remis à", 'no se ha entregado a'],
    details: ['because:', 'grund:', 'parce que:', 'porque:'],
    ends: ['to: ,', 'what should you do'],
  },
  {
    id: 'virus-scanner',
    stops: [
      'información de nod32',
      'information from eset',
      'información de eset',
      'information from nod32',
      'este mensaje ha sido analizado',
      'this email has been checked for viruses',
      'this message has been scanned',
      'the message was checked by',
    ],
  },
  { id: 'notes', header: { subject: ['undeliverable message'] }, opens: ['failure reasons'], ends: ['returned message'] },
  {
    id: 'groupwise',
    header: { 'x-mailer': ['groupwise'], subject: ['message status - undeliverable'] },
    opens: ['the message that you sent was undeliverable to the following', 'the attached file had the following undeliverable'],
    knows: ['this message was undeliverable'],
  },
  {
    id: 'mdaemon',
    header: {
      from: ['mdaemon@'],
      'x-mdaemon-deliver-to': [''],
      'x-mddsn-message': [''],
      subject: ['mdaemon notification', 'permanent delivery failure', 'mdaemon warning'],
    },
    knows: ['the attached message had permanent fatal delivery errors', 'the attached message had permanent'],
    opens: ['failed address', 'the following data may contain sections which represent', 'failed addresses'],
    details: ['session transcript', 'the following session transcript'],
    ends: ['end of transcript', ': message contains', 'message contains'],
  },
  {
    id: 'imail',
    header: { 'x-mailer': ['smtp32', 'imail'] },
    names: [
      'unknown user:',
      'unknown host:',
      'undeliverable to',
      'invalid final delivery userid:',
      'user mailbox exceeds allowed size:',
      'delivery failed',
      'not able to deliver to',
    ],
    ends: ['original message follows'],
  },
  {
    id: 'mailenable',
    header: { from: ['mailenable'], 'x-mailer': ['mailenable'], subject: ['message delivery failure', 'delivery failure'] },
    knows: ['mailenable: message'],
    opens: ['message could not be delivered to some recipients', 'the following recipient(s) could not be reached', 'recipient:'],
    names: ['recipient: [smtp:'],
    details: ['reason: '],
    ends: ['message headers follow'],
  },
  {
    id: 'mercury',
    header: { from: ['mercury'], subject: ['delivery failure', 'delivery failure notification'] },
    knows: ['with reference to your message with the subject', 'the local mail transport system has reported the following'],
    opens: ['the following addresses'],
    ends: ['your mail message is enclosed', 'the header of your message'],
  },
  {
    id: 'hmail',
    header: { subject: ['message undeliverable'] },
    opens: ['your message did not reach some or all of the intended recipients', 'the following recipient(s) could not be reached'],
  },
  {
    id: 'merak',
    header: { 'x-mailer': ['icewarp', 'merak'] },
    names: ['the message has not been delivered to', 'recipient: '],
    details: ['error details', 'diagnostic'],
  },
  {
    id: 'mailmarshal',
    opens: ['the following recipients were affected'],
    sender: ['original sender:'],
    details: ['could not be delivered because of'],
    stops: ['additional information'],
  },
  {
    id: 'sms-interscan',
    header: { from: ['interscan'], 'message-id': ['@tmmsg'] },
    names: ['unable to deliver message to', 'reason:  unable to deliver message to', 'reason: unable to deliver message to'],
    details: ['sent <<<', 'received >>>'],
    ends: ['end of message'],
  },
  {
    id: 'mfilter',
    header: { 'x-mailer': ['m-filter'] },
    opens: ['以下のメールアドレスへの送信に失敗しました'],
    details: ['server message'],
    ends: ['original message', 'original mail info'],
  },
  {
    id: 'kerio',
    header: { 'x-mailer': ['kerio'] },
    knows: ['this is an automatically generated message'],
    opens: ['the message could not be delivered to'],
    names: ['the delivery to the following'],
    details: ['reason of failure'],
  },
]
