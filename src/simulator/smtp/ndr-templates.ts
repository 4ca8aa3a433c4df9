/**
 * ndr-templates - the NDR of each provider: its sender, subject, text and headers
 *
 * The texts may contain {recipient}, {reply}, {code}, {subject} and {host}. A provider without a row of its own writes like Postfix.
 *
 * Pure data. RFC 3464. See also: simulator/smtp/ndr-builder.
 */

export type NdrTemplate = {
  readonly name: string
  readonly subject: string
  readonly text: readonly string[]
  readonly reportingMta: string
  readonly headers: Readonly<Record<string, string>>
  /** Which part of the message is returned. */
  readonly returns: 'headers' | 'message'
}

const AUTO_REPLY_HEADER = { 'Auto-Submitted': 'auto-replied' } as const

export const NDR_TEMPLATES: Readonly<Record<string, NdrTemplate>> = {
  gmail: {
    name: 'Mail Delivery Subsystem',
    subject: 'Delivery Status Notification (Failure)',
    text: ['** Message not delivered **', '', "Your message wasn't delivered to {recipient}.", '', 'The response was:', '', '{reply}'],
    reportingMta: 'googlemail.com',
    headers: { ...AUTO_REPLY_HEADER, 'X-Failed-Recipients': '{recipient}' },
    returns: 'message',
  },
  outlook: {
    name: 'postmaster@outlook.com',
    subject: 'Undeliverable: {subject}',
    text: [
      'Delivery has failed to these recipients or groups:',
      '',
      '{recipient}',
      'The message could not be delivered to this mailbox.',
      '',
      'Diagnostic information for administrators:',
      '',
      'Generating server: {host}',
      '',
      '{recipient}',
      "Remote server returned '{reply}'",
    ],
    reportingMta: '{host}',
    headers: { ...AUTO_REPLY_HEADER, 'X-MS-Exchange-Message-Is-Ndr': '' },
    returns: 'headers',
  },
  yahoo: {
    name: 'Mail Delivery System',
    subject: 'Failure Notice',
    text: ['Sorry, we were unable to deliver your message to the following address.', '', '<{recipient}>:', '{reply}'],
    reportingMta: '{host}',
    headers: AUTO_REPLY_HEADER,
    returns: 'headers',
  },
  qq: {
    name: '',
    subject: '系统退信/Systems bounce',
    text: ['抱歉，您的邮件被退回来了。', '', '收件人：{recipient}', '退信原因：{reply}', '', '主题：{subject}'],
    reportingMta: '{host}',
    headers: { ...AUTO_REPLY_HEADER, 'X-QQ-ORGSender': 'PostMaster@qq.com' },
    returns: 'headers',
  },
  netease: {
    name: '',
    subject: '系统退信',
    text: ['抱歉，您的邮件被退回。', '', '收件人邮箱：{recipient}', '退信原因：{reply}', '英文说明：{reply}'],
    reportingMta: '{host}',
    headers: { ...AUTO_REPLY_HEADER, 'X-Mailer': 'Coremail' },
    returns: 'message',
  },
}

/** For all other providers. */
export const DEFAULT_NDR_TEMPLATE: NdrTemplate = {
  name: 'Mail Delivery System',
  subject: 'Undelivered Mail Returned to Sender',
  text: [
    'This is the mail system at host {host}.',
    '',
    'A message that you sent could not be delivered to one recipient. It is attached as far as we have it.',
    '',
    '<{recipient}>: {reply}',
  ],
  reportingMta: '{host}',
  headers: AUTO_REPLY_HEADER,
  returns: 'headers',
}
