/**
 * formats-office - rows of mail/freeform/formats for Domino, GroupWise and other office servers
 *
 * Pure data. See also: mail/freeform/formats-exchange.
 */
import type { BounceFormat } from './bounce-format.ts'

export const OFFICE_SERVER_FORMATS: readonly BounceFormat[] = [
  {
    id: 'exchange-online',
    diagnosticsBelow: ['error details', 'reported error', 'remote server returned'],
    advice: ['original message details'],
  },
  {
    id: 'domino',
    header: { subject: ['delivery failure:'], 'x-mailer': ['lotus notes', 'lotus domino', 'ibm notes'] },
    recipientsBelow: ['was not delivered to', 'konnte nicht zugestellt werden an', "n'a pas été remis à", 'no se ha entregado a'],
    diagnosticsBelow: ['because:', 'grund:', 'parce que:', 'porque:'],
    originalBelow: ['to: ,', 'what should you do'],
  },
  {
    id: 'virus-scanner',
    advice: [
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
  {
    id: 'notes',
    header: { subject: ['undeliverable message'] },
    recipientsBelow: ['failure reasons'],
    originalBelow: ['returned message'],
  },
  {
    id: 'groupwise',
    header: { 'x-mailer': ['groupwise'], subject: ['message status - undeliverable'] },
    recipientsBelow: ['the message that you sent was undeliverable to the following', 'the attached file had the following undeliverable'],
    signature: ['this message was undeliverable'],
  },
  {
    id: 'mdaemon',
    header: {
      from: ['mdaemon@'],
      'x-mdaemon-deliver-to': [''],
      'x-mddsn-message': [''],
      subject: ['mdaemon notification', 'permanent delivery failure', 'mdaemon warning'],
    },
    signature: ['the attached message had permanent fatal delivery errors', 'the attached message had permanent'],
    recipientsBelow: ['failed address', 'the following data may contain sections which represent', 'failed addresses'],
    diagnosticsBelow: ['session transcript', 'the following session transcript'],
    originalBelow: ['end of transcript', ': message contains', 'message contains'],
  },
  {
    id: 'imail',
    header: { 'x-mailer': ['smtp32', 'imail'] },
    recipientLabel: [
      'unknown user:',
      'unknown host:',
      'undeliverable to',
      'invalid final delivery userid:',
      'user mailbox exceeds allowed size:',
      'delivery failed',
      'not able to deliver to',
    ],
    diagnosticsBelow: ['body of message generated response'],
    originalBelow: ['original message follows'],
  },
  {
    id: 'mailenable',
    header: { from: ['mailenable'], 'x-mailer': ['mailenable'], subject: ['message delivery failure', 'delivery failure'] },
    signature: ['mailenable: message'],
    recipientsBelow: ['message could not be delivered to some recipients', 'the following recipient(s) could not be reached', 'recipient:'],
    recipientLabel: ['recipient: [smtp:'],
    diagnosticsBelow: ['reason: '],
    originalBelow: ['message headers follow'],
  },
  {
    id: 'mercury',
    header: { from: ['mercury'], subject: ['delivery failure', 'delivery failure notification'] },
    signature: ['with reference to your message with the subject', 'the local mail transport system has reported the following'],
    recipientsBelow: ['the following addresses'],
    originalBelow: ['your mail message is enclosed', 'the header of your message'],
  },
  {
    id: 'hmail',
    header: { subject: ['message undeliverable'] },
    recipientsBelow: [
      'your message did not reach some or all of the intended recipients',
      'the following recipient(s) could not be reached',
    ],
  },
  {
    id: 'merak',
    header: { 'x-mailer': ['icewarp', 'merak'] },
    recipientLabel: ['the message has not been delivered to', 'recipient: '],
    diagnosticsBelow: ['error details', 'diagnostic'],
  },
  {
    id: 'mailmarshal',
    recipientsBelow: ['the following recipients were affected'],
    senderLabel: ['original sender:'],
    diagnosticsBelow: ['could not be delivered because of'],
    advice: ['additional information'],
  },
  {
    id: 'sms-interscan',
    header: { from: ['interscan'], 'message-id': ['@tmmsg'] },
    recipientLabel: ['unable to deliver message to', 'reason:  unable to deliver message to', 'reason: unable to deliver message to'],
    diagnosticsBelow: ['sent <<<', 'received >>>'],
    originalBelow: ['end of message'],
  },
  {
    id: 'mfilter',
    header: { 'x-mailer': ['m-filter'] },
    recipientsBelow: ['以下のメールアドレスへの送信に失敗しました'],
    diagnosticsBelow: ['server message'],
    originalBelow: ['original message', 'original mail info'],
  },
  {
    id: 'kerio',
    header: { 'x-mailer': ['kerio'] },
    signature: ['this is an automatically generated message'],
    recipientsBelow: ['the message could not be delivered to'],
    recipientLabel: ['the delivery to the following'],
    diagnosticsBelow: ['reason of failure'],
  },
]
