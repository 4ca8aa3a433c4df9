/**
 * client-calls - what published clients of SendCloud and EngageLab send: method, path, encoding and parameters, one row a public method
 *
 * Written from reading the clients; none of their code is here. Credentials are added by the test: `api_user` under /webapi, `apiUser` under /api
 * and /apiv2, HTTP Basic under /v1. Values are ours, with reserved names.
 *
 * See also: test/client-calls.test.ts, docs/SENDCLOUD.md (which claims no more than this table shows).
 */

export type CallEncoding = 'query' | 'form' | 'multipart' | 'json'

/** `refusal`: words of the error that the call gets; null: it works. */
export type ClientCall = {
  readonly client: string
  readonly call: string
  readonly encoding: CallEncoding
  readonly path: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly refusal: string | null
}

const TO = 'joe@example.org'
const MAIL_V1 = { from: 'news@example.com', fromname: 'News', to: `${TO};ann@example.org`, subject: 'Hello', html: '<p>Hello</p>' }
const MAIL_V2 = { from: 'news@example.com', fromName: 'News', to: `${TO};ann@example.org`, subject: 'Hello', html: '<p>Hello</p>' }
const SEPARATE = JSON.stringify({ to: [TO, 'ann@example.org'], sub: { '%name%': ['Joe', 'Ann'], '%money%': [288, 497] } })
const BATCH = JSON.stringify({ to: [TO], sub: { '%name%': ['Joe'] } })
const CALENDAR = {
  startTime: '2026-12-01 10:00:00',
  endTime: '2026-12-01 11:00:00',
  title: 'Talk',
  organizerName: 'Ann',
  organizerEmail: 'ann@example.com',
  location: 'Hall',
}
const SMS = { smsUser: 'sms', templateId: '1', msgType: '0', phone: '10000000000', signature: 'x' }
const PERIOD = { start_date: '2026-11-01', end_date: '2026-11-02' }

const TEMPLATES = 'templates'
const LISTS = 'address lists'
const CALENDARS = 'calendars'
const MESSAGES = 'text messages'

/** [call, encoding, path, fields, refusal]; a path that ends in a word like `attachments` sends a file. */
type Row = readonly [string, CallEncoding, string, Readonly<Record<string, unknown>>, string | null]

const CLIENTS: Readonly<Record<string, readonly Row[]>> = {
  'sendcloud-sdk-python (Python)': [
    [
      'send_common_email',
      'form',
      '/apiv2/mail/send',
      { ...MAIL_V2, plain: 'Hello', contentSummary: 'In short', respEmailId: 'True', useNotification: 'True' },
      null,
    ],
    ['send_common_email with files', 'multipart', '/apiv2/mail/send', { ...MAIL_V2, attachments: 'list.csv' }, null],
    ['send_common_email with xsmtpapi', 'form', '/apiv2/mail/send', { ...MAIL_V2, xsmtpapi: SEPARATE }, null],
    [
      'send_common_email to an address list',
      'form',
      '/apiv2/mail/send',
      { ...MAIL_V2, to: 'all@maillist.example', useAddressList: 'True' },
      LISTS,
    ],
    [
      'send_template_email',
      'form',
      '/apiv2/mail/sendtemplate',
      { from: 'news@example.com', subject: 'x', xsmtpapi: BATCH, templateInvokeName: 'welcome' },
      TEMPLATES,
    ],
    ['send_calendar_mail', 'form', '/apiv2/mail/sendcalendar', { ...MAIL_V2, ...CALENDAR }, CALENDARS],
    ['send_template_sms', 'form', '/smsapi/send', SMS, MESSAGES],
    ['send_code_sms', 'form', '/smsapi/sendCode', SMS, MESSAGES],
    ['send_voice_sms', 'form', '/smsapi/sendVoice', SMS, MESSAGES],
  ],
  'django-sendcloud (Python)': [
    ['send_messages', 'form', '/webapi/mail.send.json', { ...MAIL_V1, resp_email_id: 'true' }, null],
    [
      'send_template',
      'form',
      '/webapi/mail.send_template.json',
      { from: 'news@example.com', template_invoke_name: 'welcome', substitution_vars: BATCH },
      TEMPLATES,
    ],
    ['invalid_stat', 'form', '/webapi/invalidStat.get.json', { days: 3, aggregate: 0 }, null],
    ['user_info', 'form', '/webapi/userinfo.get.json', {}, null],
    ['templates', 'form', '/webapi/template.get.json', {}, TEMPLATES],
    ['address lists', 'form', '/webapi/list.get.json', { start: 0, limit: 100 }, LISTS],
    ['members', 'form', '/webapi/list_member.get.json', { mail_list_addr: 'all@maillist.example' }, LISTS],
  ],
  'sendcloud-sdk-go (Go)': [
    [
      'SendCommonEmail',
      'form',
      '/apiv2/mail/send',
      {
        ...MAIL_V2,
        contentSummary: 'In short',
        labelName: 'news',
        headers: '{"X-A":"1"}',
        sendRequestId: 'go-1',
        respEmailId: 'true',
        useNotification: 'true',
      },
      null,
    ],
    ['SendCommonEmail with files', 'multipart', '/apiv2/mail/send', { ...MAIL_V2, plain: 'Hello', attachments: 'a.txt' }, null],
    [
      'SendCommonEmail with XSMTPAPI',
      'form',
      '/apiv2/mail/send',
      {
        ...MAIL_V2,
        xsmtpapi: JSON.stringify({
          to: [TO],
          sub: { '%l%': ['%silver%'] },
          pubsub: { '%p%': ['x'] },
          filters: { open_tracking: { settings: { enable: '1' } } },
        }),
      },
      null,
    ],
    ['SendCommonEmail to an address list', 'form', '/apiv2/mail/send', { ...MAIL_V2, useAddressList: 'true' }, LISTS],
    [
      'SendTemplateEmail',
      'form',
      '/apiv2/mail/sendtemplate',
      { from: 'news@example.com', subject: 'x', xsmtpapi: BATCH, templateInvokeName: 'welcome' },
      TEMPLATES,
    ],
    ['SendCalendarMail', 'multipart', '/apiv2/mail/sendcalendar', { ...MAIL_V2, ...CALENDAR }, CALENDARS],
    ['SendTemplateSms', 'form', '/smsapi/send', SMS, MESSAGES],
  ],
  'smartwalle/sendcloud (Go)': [
    ['GetUserInfo', 'form', '/apiv2/userinfo/get', {}, null],
    ['GetEmailStatusList', 'form', '/apiv2/data/emailStatus', { days: 1, start: 0, limit: 10 }, null],
    ['GetOpenAndClickList', 'form', '/apiv2/openandclick/list', { days: 1, start: 0, limit: 10 }, null],
    [
      'SendTemplateMail',
      'multipart',
      '/apiv2/mail/sendtemplate',
      { from: 'news@example.com', fromName: '', replyTo: '', subject: 'x', templateInvokeName: 'welcome', xsmtpapi: BATCH },
      TEMPLATES,
    ],
    [
      'SendTemplateMailToAddressList',
      'form',
      '/apiv2/mail/sendtemplate',
      { to: 'all@maillist.example', from: 'news@example.com', templateInvokeName: 'welcome', useAddressList: 'true' },
      TEMPLATES,
    ],
    ['GetTaskInfo', 'form', '/apiv2/mail/taskinfo', { maillistTaskId: 1 }, LISTS],
    ['GetAddressList', 'form', '/apiv2/addresslist/list', {}, LISTS],
    ['AddAddressList', 'form', '/apiv2/addresslist/add', { address: 'all@maillist.example', name: 'all' }, LISTS],
    ['GetAddressMemberList', 'form', '/apiv2/addressmember/list', { address: 'all@maillist.example' }, LISTS],
    ['GetTemplateList', 'form', '/apiv2/template/list', {}, TEMPLATES],
    [
      'AddTemplate',
      'form',
      '/apiv2/template/add',
      { invokeName: 'welcome', name: 'x', html: 'x', subject: 'x', templateType: 0 },
      TEMPLATES,
    ],
  ],
  'riobard/go-sendcloud (Go)': [
    [
      'Send',
      'form',
      '/webapi/mail.send.json',
      {
        resp_email_id: 'true',
        from: 'News <news@example.com>',
        to: TO,
        cc: 'c@example.org',
        bcc: 'b@example.org',
        replyto: 'desk@example.com',
        subject: 'Hello',
        html: 'Hello',
        headers: '{"X-A":"1"}',
      },
      null,
    ],
  ],
  'sendcloud4j (Java)': [
    [
      'general',
      'form',
      '/apiv2/mail/send',
      { ...MAIL_V2, replyTo: 'desk@example.com', headers: '{"X-A":"1"}', respEmailId: 'false', useNotification: 'true' },
      null,
    ],
    ['general with files', 'multipart', '/apiv2/mail/send', { ...MAIL_V2, plain: 'Hello', attachments: 'a.txt' }, null],
    [
      'template',
      'form',
      '/apiv2/mail/sendtemplate',
      { from: 'news@example.com', templateInvokeName: 'welcome', xsmtpapi: BATCH },
      TEMPLATES,
    ],
  ],
  'sendcloud-spring-boot-starter (Java)': [
    [
      'sendMail, broadcast',
      'form',
      '/apiv2/mail/send',
      { ...MAIL_V2, replyTo: '', cc: '', bcc: '', respEmailId: 'true', useNotification: 'false' },
      null,
    ],
    [
      'sendMail, separate',
      'form',
      '/apiv2/mail/send',
      {
        from: 'news@example.com',
        fromName: 'News',
        subject: 'Hello',
        replyTo: 'desk@example.com',
        plain: 'Hello',
        headers: '{"X-A":"1"}',
        xsmtpapi: SEPARATE,
        respEmailId: 'true',
        useNotification: 'false',
      },
      null,
    ],
    [
      'sendMail with files',
      'multipart',
      '/apiv2/mail/send',
      { ...MAIL_V2, respEmailId: 'true', useNotification: 'false', attachments: 'a.txt' },
      null,
    ],
    ['sendMail to an address list', 'form', '/apiv2/mail/send', { ...MAIL_V2, useAddressList: 'true', to: 'all@maillist.example' }, LISTS],
    [
      'sendMail with a template',
      'form',
      '/apiv2/mail/sendtemplate',
      { from: 'news@example.com', templateInvokeName: 'welcome', xsmtpapi: BATCH },
      TEMPLATES,
    ],
    ['sendSms', 'form', '/smsapi/send', SMS, MESSAGES],
    ['sendVoice', 'form', '/smsapi/sendVoice', SMS, MESSAGES],
  ],
  'overtrue/sendcloud (PHP)': [
    ['post /mail/send', 'form', '/apiv2/mail/send', { from: 'news@example.com', to: TO, subject: 'Hello', html: 'Hello' }, null],
    ['get /statday/list', 'query', '/apiv2/statday/list', { days: 1 }, null],
    ['post /mail/sendtemplate', 'form', '/apiv2/mail/sendtemplate', { templateInvokeName: 'welcome' }, TEMPLATES],
  ],
  'HyanCat/sendcloud (PHP)': [
    ['send', 'form', '/webapi/mail.send.json', { ...MAIL_V1, resp_email_id: 'true' }, null],
    [
      'sendTemplate',
      'form',
      '/webapi/mail.send_template.json',
      { ...MAIL_V1, use_maillist: 'false', substitution_vars: BATCH, template_invoke_name: 'welcome' },
      TEMPLATES,
    ],
    [
      'sendTemplate to an address list',
      'form',
      '/webapi/mail.send_template.json',
      { use_maillist: 'true', to: 'all@maillist.example', template_invoke_name: 'welcome' },
      TEMPLATES,
    ],
  ],
  'widuu/SendCloud (PHP)': [
    ['send', 'form', '/webapi/mail.send.json', MAIL_V1, null],
    ['get_stats, by day', 'form', '/webapi/stats.get.json', { days: 2, aggregate: 1, api_user_list: 'tester;other' }, null],
    ['get_stats, by hour', 'form', '/webapi/statsHour.get.json', { ...PERIOD, aggregate: 0 }, null],
    ['get_stats, invalid', 'form', '/webapi/invalidStat.get.json', { days: 2, aggregate: 1, domain_list: 'example.org' }, null],
    ['queue_status', 'form', '/webapi/queueStatus.get.json', {}, null],
    ['get_spamReported', 'form', '/webapi/spamReported.get.json', { days: 1, start: 0, limit: 10 }, null],
    ['get_bounces', 'form', '/webapi/bounces.get.json', { ...PERIOD, start: 0, limit: 10 }, null],
    ['count_bounces', 'form', '/webapi/bounces.count.json', { days: 1 }, null],
    ['delete_bounces', 'form', '/webapi/bounces.delete.json', { email: TO }, null],
    ['get_userinfo', 'form', '/webapi/userinfo.get.json', {}, null],
    ['get_apiuser', 'form', '/webapi/apiUser.list.json', { api_user_type: 1 }, null],
    ['get_domain', 'form', '/webapi/domain.list.json', { domain_type: 1 }, null],
    ['create_label', 'form', '/webapi/label.create.json', { labelName: 'widuu' }, null],
    ['get_label', 'form', '/webapi/label.get.json', { labelId: 1 }, null],
    ['update_label', 'form', '/webapi/label.update.json', { labelId: 1, labelName: 'widuu-2' }, null],
    ['delete_label', 'form', '/webapi/label.delete.json', { labelId: 9_999 }, null],
    ['templates', 'form', '/webapi/template.add.json', { invoke_name: 'welcome' }, TEMPLATES],
    ['address lists', 'form', '/webapi/list.create.json', { address: 'all@maillist.example', name: 'all' }, LISTS],
  ],
  'yii2-sendcloud (PHP)': [
    [
      'send, v2',
      'form',
      '/apiv2/mail/send',
      { ...MAIL_V2, plain: 'Hello', respEmailId: 'true', useNotification: 'true', headers: '{"X-A":"1"}' },
      null,
    ],
    [
      'send, v1',
      'form',
      '/webapi/mail.send.json',
      { ...MAIL_V1, replyto: 'desk@example.com', resp_email_id: 'true', headers: '{"X-A":"1"}' },
      null,
    ],
    ['send, v1 with files', 'multipart', '/webapi/mail.send.json', { ...MAIL_V1, files: 'a.txt' }, null],
    ['send, v1, compressed', 'form', '/webapi/mail.send.json', { ...MAIL_V1, gzip_compress: 'true' }, 'gzipCompress'],
    ['send to an address list, v2', 'form', '/apiv2/mail/send', { ...MAIL_V2, useAddressList: 'true' }, LISTS],
    ['send to an address list, v1', 'form', '/webapi/mail.send.json', { ...MAIL_V1, use_maillist: 'true' }, LISTS],
    ['sendTemplate', 'form', '/apiv2/mail/sendtemplate', { templateInvokeName: 'welcome', xsmtpapi: BATCH }, TEMPLATES],
    ['sms', 'form', '/smsapi/send', SMS, MESSAGES],
  ],
  'sendcloud-email-v2 (PHP)': [
    ['mail.send', 'form', '/webapi/mail.send.json', MAIL_V1, null],
    ['mail.send as XML', 'form', '/webapi/mail.send.xml', MAIL_V1, 'JSON'],
    ['bounces.get', 'form', '/webapi/bounces.get.json', { days: 1 }, null],
    ['unsubscribes.add', 'form', '/webapi/unsubscribes.add.json', { email: 'gone@example.org' }, null],
    ['unsubscribes.get', 'form', '/webapi/unsubscribes.get.json', { days: 1 }, null],
    ['unsubscribes.delete', 'form', '/webapi/unsubscribes.delete.json', { email: 'gone@example.org' }, null],
    ['spamReported.get', 'form', '/webapi/spamReported.get.json', { days: 1 }, null],
    ['stats.get', 'form', '/webapi/stats.get.json', { days: 1 }, null],
    ['list_member.update', 'form', '/webapi/list_member.update.json', { mail_list_addr: 'all@maillist.example' }, LISTS],
    ['template.delete', 'form', '/webapi/template.delete.json', { invoke_name: 'welcome' }, TEMPLATES],
  ],
  'lz8878/sendcloud (Ruby)': [
    ['mail.send_email', 'form', '/webapi/mail.send.json', MAIL_V1, null],
    ['stats.get', 'query', '/webapi/stats.get.json', { days: 2 }, null],
    ['stats.get_categories', 'query', '/webapi/stats.get.json', { list: 'true' }, 'days'],
    ['unsubscribes.list', 'query', '/webapi/unsubscribes.get.json', { days: 1 }, null],
    ['unsubscribes.add', 'form', '/webapi/unsubscribes.add.json', { email: 'gone@example.org' }, null],
    ['unsubscribes.remove', 'form', '/webapi/unsubscribes.delete.json', { email: 'gone@example.org' }, null],
    ['bounces.list', 'query', '/webapi/bounces.get.json', { days: 1, start: 0, limit: 100 }, null],
    ['bounces.list without a period', 'query', '/webapi/bounces.get.json', {}, 'days'],
    ['bounces.count', 'query', '/webapi/bounces.count.json', PERIOD, null],
    ['bounces.add', 'form', '/webapi/bounces.add.json', { email: TO }, 'bounce list'],
    ['bounces.delete', 'form', '/webapi/bounces.delete.json', PERIOD, null],
  ],
  'send-cloud (Ruby)': [
    ['Mail.send', 'form', '/apiv2/mail/send', { from: 'news@example.com', to: TO, subject: 'Hello', html: 'Hello', fromname: '' }, null],
    ['Mail.sendtemplate', 'form', '/apiv2/mail/sendtemplate', { templateInvokeName: 'welcome', xsmtpapi: BATCH }, TEMPLATES],
    ['Mail.taskinfo', 'form', '/apiv2/mail/taskinfo', { maillistTaskId: 1 }, LISTS],
    ['Label.add', 'form', '/apiv2/label/add', { labelName: 'ruby' }, null],
    ['Label.list', 'form', '/apiv2/label/list', { query: 'ruby', start: 0, limit: 10 }, null],
    ['Label.get', 'form', '/apiv2/label/get', { labelId: 1 }, null],
    ['Label.update', 'form', '/apiv2/label/update', { labelId: 1, labelName: 'ruby-2' }, null],
    ['Label.delete', 'form', '/apiv2/label/delete', { labelId: 9_999 }, null],
    ['Userinfo.get', 'form', '/apiv2/userinfo/get', {}, null],
    ['Domain.list', 'form', '/apiv2/domain/list', {}, 'domains are managed'],
    ['Domain.add', 'form', '/apiv2/domain/add', { name: 'example.com' }, 'domains are managed'],
    ['Apiuser.list', 'form', '/apiv2/apiuser/list', {}, 'API users are managed'],
    ['Apiuser.add', 'form', '/apiv2/apiuser/add', { name: 'other', emailType: 0, domainName: 'example.com' }, 'API users are managed'],
    ['Template.list', 'form', '/apiv2/template/list', {}, TEMPLATES],
    ['Addresslist.list', 'form', '/apiv2/addresslist/list', {}, LISTS],
    ['Addressmember.add', 'form', '/apiv2/addressmember/add', { address: 'all@maillist.example', members: TO }, LISTS],
    ['Sms.send', 'form', '/smsapi/send', SMS, MESSAGES],
  ],
  'sendcloud-mailer (Ruby)': [
    [
      'deliver!',
      'multipart',
      '/apiv2/mail/send',
      { ...MAIL_V2, from: 'News <news@example.com>', cc: 'c@example.org', plain: 'Hello', attachments: 'a.txt' },
      null,
    ],
    [
      'deliver! without files',
      'form',
      '/apiv2/mail/send',
      { from: 'News <news@example.com>', to: TO, subject: 'Hello', plain: 'Hello' },
      null,
    ],
  ],
  'sendcloud (Node)': [
    ['send', 'form', '/webapi/mail.send.json', MAIL_V1, null],
    ['templateToOne', 'form', '/webapi/mail.send_template.json', { template_invoke_name: 'welcome', substitution_vars: BATCH }, TEMPLATES],
    ['sendByTemplate', 'form', '/webapi/mail.send_template.json', { template_invoke_name: 'welcome', substitution_vars: BATCH }, TEMPLATES],
    ['sendByMailList', 'form', '/webapi/mail.send_template.json', { template_invoke_name: 'welcome', use_maillist: 'true' }, TEMPLATES],
    ['EmailList.getEmailList', 'form', '/webapi/list.get.json', {}, LISTS],
    ['EmailList.updateEmailList', 'form', '/webapi/list.update.json', { address: 'all@maillist.example' }, LISTS],
    ['ListMember.deleteListMember', 'form', '/webapi/list_member.delete.json', { mail_list_addr: 'all@maillist.example' }, LISTS],
  ],
  'nodemailer-sendcloud-transport (Node)': [['send', 'form', '/webapi/mail.send.json', MAIL_V1, null]],
  'newsletter-for-sendcloud (WordPress)': [
    ['sendMail', 'multipart', '/apiv2/mail/send', { ...MAIL_V2, replyTo: 'desk@example.com', headers: '' }, null],
    ['sendMail with files', 'multipart', '/apiv2/mail/send', { ...MAIL_V2, replyTo: '', headers: '', 'attachments[0]': 'a.txt' }, null],
    ['addAddressMember', 'multipart', '/apiv2/addressmember/add', { address: 'all@maillist.example', members: TO }, LISTS],
  ],
  'engagelab-email-node (EngageLab)': [
    [
      'send',
      'json',
      '/v1/mail/send',
      {
        from: 'News <news@example.com>',
        to: [TO],
        body: {
          subject: 'Hello',
          content: { html: 'Hello %name%', text: 'Hello', preview_text: '' },
          vars: { name: ['Joe'] },
          settings: { send_mode: 0, return_email_id: true },
        },
        custom_args: { order: '7' },
      },
      null,
    ],
    [
      'send, broadcast',
      'json',
      '/v1/mail/send',
      {
        from: 'news@example.com',
        to: [TO],
        body: { cc: ['c@example.org'], bcc: ['b@example.org'], subject: 'Hello', content: { html: 'Hello' }, settings: { send_mode: 1 } },
      },
      null,
    ],
    [
      'send to an address list',
      'json',
      '/v1/mail/send',
      {
        from: 'news@example.com',
        to: ['all@maillist.example'],
        body: { subject: 'Hello', content: { html: 'Hello' }, settings: { send_mode: 2 } },
      },
      LISTS,
    ],
    [
      'sendMime',
      'json',
      '/v1/mail/send_mime',
      { to: [TO], body: { content: { raw_message: 'From: news@example.com\r\nTo: joe@example.org\r\nSubject: Hello\r\n\r\nHello' } } },
      null,
    ],
    [
      'sendTemplate',
      'json',
      '/v1/mail/sendtemplate',
      { from: 'news@example.com', to: [TO], body: { template_invoke_name: 'welcome' } },
      TEMPLATES,
    ],
    [
      'sendCalendar',
      'json',
      '/v1/mail/sendcalendar',
      { from: 'news@example.com', to: [TO], body: { subject: 'x', content: { html: 'x' }, calendar: {} } },
      CALENDARS,
    ],
  ],
}

/** Every call, client by client. */
export const CLIENT_CALLS: readonly ClientCall[] = Object.entries(CLIENTS).flatMap(([client, rows]) =>
  rows.map(([call, encoding, path, fields, refusal]) => ({ client, call, encoding, path, fields, refusal })),
)
