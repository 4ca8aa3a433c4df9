/** esp-events.test - what each ESP writes, and the event that we read; any JSON is read without a fault */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EspEvent, EspReading } from '../../src/esp-events/esp-event.ts'
import { readMailgunEvents } from '../../src/esp-events/mailgun-events.ts'
import { readPostmarkEvents } from '../../src/esp-events/postmark-events.ts'
import { readSendGridEvents } from '../../src/esp-events/sendgrid-events.ts'
import { readSesEvents } from '../../src/esp-events/ses-events.ts'
import { readSparkPostEvents } from '../../src/esp-events/sparkpost-events.ts'

const JOE = 'joe@example.org'
const AT = '2026-11-20T12:00:00.000Z'
const SECONDS = Date.parse(AT) / 1_000
const NO_USER = '550 5.1.1 <joe@example.org>: no such user'

const sesMail = {
  messageId: 'ses-1',
  source: 'token@bounce.example.com',
  destination: [JOE],
  tags: { bounced: ['named'] },
  commonHeaders: { messageId: '<m1@example.com>' },
}
const bounce = (over: object, recipient: object = {}): unknown => ({
  eventType: 'Bounce',
  mail: sesMail,
  bounce: {
    bounceType: 'Permanent',
    bounceSubType: 'General',
    timestamp: AT,
    feedbackId: 'f1',
    bouncedRecipients: [{ emailAddress: JOE, action: 'failed', status: '5.1.1', diagnosticCode: `smtp; ${NO_USER}`, ...recipient }],
    ...over,
  },
})

type Case = readonly [name: string, body: unknown, want: readonly Partial<EspEvent>[]]

const ses: readonly Case[] = [
  [
    'a refusal in the session',
    bounce({ remoteMtaIp: '192.0.2.1' }),
    [
      {
        outcome: 'refused',
        recipient: JOE,
        at: Date.parse(AT),
        reply: `smtp; ${NO_USER}`,
        messageIds: ['m1@example.com', 'ses-1'],
        references: ['named', 'token@bounce.example.com'],
      },
    ],
  ],
  ['a refusal that SES reports', bounce({ reportingMTA: 'dns; a1.smtp-out.amazonses.com' }), [{ outcome: 'refused' }]],
  ['a bounce that another server reports', bounce({ reportingMTA: 'dns; mx.example.org' }), [{ outcome: 'bounced' }]],
  ['a name that ends like that of SES', bounce({ reportingMTA: 'dns; evilamazonses.com' }), [{ outcome: 'bounced' }]],
  ['an automatic reply', bounce({ bounceType: 'Transient' }, { action: null, status: null, diagnosticCode: null }), []],
  ['no diagnostic', bounce({}, { diagnosticCode: null }), [{ outcome: 'bounced', reply: '5.1.1 Permanent General' }]],
  [
    'the older notification',
    {
      notificationType: 'Complaint',
      mail: sesMail,
      complaint: { complainedRecipients: [{ emailAddress: JOE }], complaintFeedbackType: 'fraud' },
    },
    [{ outcome: 'complaint', feedbackType: 'fraud' }],
  ],
  [
    'a complaint that was none',
    {
      eventType: 'Complaint',
      mail: sesMail,
      complaint: { complaintSubType: 'OnAccountSuppressionList', complainedRecipients: [{ emailAddress: JOE }] },
    },
    [],
  ],
  [
    'a delivery to two',
    { eventType: 'Delivery', mail: sesMail, delivery: { recipients: [JOE, 'ann@example.org'], smtpResponse: '250 2.0.0 OK' } },
    [{ outcome: 'delivered', reply: '250 2.0.0 OK' }, { recipient: 'ann@example.org' }],
  ],
  [
    'a delay',
    {
      eventType: 'DeliveryDelay',
      mail: sesMail,
      deliveryDelay: { delayedRecipients: [{ emailAddress: JOE, diagnosticCode: '451 4.7.1 later' }] },
    },
    [{ outcome: 'deferred', reply: '451 4.7.1 later' }],
  ],
  [
    'a click',
    {
      eventType: 'Click',
      mail: sesMail,
      click: { link: 'https://example.com/', ipAddress: '192.0.2.9', userAgent: 'Agent', timestamp: AT },
    },
    [{ outcome: 'click', url: 'https://example.com/', ip: '192.0.2.9', userAgent: 'Agent' }],
  ],
  [
    'an open of one of two',
    { eventType: 'Open', mail: { ...sesMail, destination: [JOE, 'ann@example.org'] }, open: { timestamp: AT } },
    [],
  ],
  [
    'who left all topics',
    { eventType: 'Subscription', mail: sesMail, subscription: { newTopicPreferences: { unsubscribeAll: true } } },
    [{ outcome: 'unsubscribe' }],
  ],
  ['a send', { eventType: 'Send', mail: sesMail, send: {} }, []],
  ['an unknown event', { eventType: 'constructor', mail: sesMail }, []],
]

const sendgrid: readonly Case[] = [
  [
    'a batch',
    [
      { email: JOE, timestamp: SECONDS, event: 'processed', sg_event_id: 'e0' },
      { email: JOE, timestamp: SECONDS, event: 'deferred', response: '421 4.7.0 later', attempt: '5', sg_event_id: 'e1' },
      { email: JOE, timestamp: SECONDS, event: 'delivered', response: '250 OK', 'smtp-id': '<m1@example.com>', bounced: 'named' },
      { email: JOE, timestamp: SECONDS, event: 'bounce', type: 'blocked', reason: '550 no', status: '5.7.1', sg_event_id: 'e3' },
      { email: JOE, timestamp: SECONDS, event: 'dropped', reason: 'Bounced Address', sg_event_id: 'e4' },
      { email: JOE, timestamp: SECONDS, event: 'spamreport', sg_event_id: 'e5' },
      { email: JOE, timestamp: SECONDS, event: 'group_unsubscribe', sg_event_id: 'e6' },
      {
        email: JOE,
        timestamp: SECONDS,
        event: 'click',
        url: 'https://example.com/',
        ip: '192.0.2.9',
        useragent: 'Agent',
        sg_event_id: 'e7',
      },
      'no event',
    ],
    [
      { id: 'e1', outcome: 'deferred', attempt: 5, at: Date.parse(AT), reply: '421 4.7.0 later' },
      { outcome: 'delivered', messageIds: ['m1@example.com'], references: ['named'] },
      { outcome: 'failed', reply: '5.7.1 550 no' },
      { outcome: 'refused', reply: 'Bounced Address' },
      { outcome: 'complaint' },
      { outcome: 'unsubscribe' },
      { outcome: 'click', userAgent: 'Agent' },
    ],
  ],
  ['no batch', { event: 'bounce', email: JOE }, []],
  [
    'the id of the response to a send',
    [{ email: JOE, event: 'open', sg_message_id: '14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0' }],
    [{ messageIds: ['14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0', '14c5d75ce93.dfd.64b469', '14c5d75ce93'] }],
  ],
]

const mailgun = (over: object): unknown => ({ 'event-data': { id: 'i', timestamp: SECONDS + 0.25, recipient: JOE, ...over } })
const mailguns: readonly Case[] = [
  [
    'a permanent failure',
    mailgun({
      event: 'failed',
      severity: 'permanent',
      'delivery-status': { code: 550, 'enhanced-code': '5.1.1', message: 'no such user', 'mx-host': 'MX.example.org' },
      message: { headers: { 'message-id': 'm1@example.com' } },
      'user-variables': { bounced: 'named' },
    }),
    [
      {
        outcome: 'failed',
        at: Date.parse(AT) + 250,
        reply: '550 5.1.1 no such user',
        mx: 'mx.example.org',
        messageIds: ['m1@example.com'],
        references: ['named'],
      },
    ],
  ],
  [
    'a code of its own',
    mailgun({
      event: 'failed',
      severity: 'permanent',
      'delivery-status': { code: 605, description: 'Not delivering to previously bounced address' },
    }),
    [{ outcome: 'failed', reply: 'Not delivering to previously bounced address' }],
  ],
  [
    'a temporary failure',
    mailgun({ event: 'failed', severity: 'temporary', 'delivery-status': { 'attempt-no': 2 } }),
    [{ outcome: 'deferred', attempt: 2 }],
  ],
  ['a failure of no severity', mailgun({ event: 'failed' }), []],
  ['a complaint', mailgun({ event: 'complained' }), [{ outcome: 'complaint' }]],
  ['accepted', mailgun({ event: 'accepted' }), []],
]

const postmark: readonly Case[] = [
  [
    'a hard bounce',
    {
      RecordType: 'Bounce',
      ID: 42,
      Type: 'HardBounce',
      MessageID: 'p-1',
      Email: JOE,
      Details: `smtp;${NO_USER}`,
      BouncedAt: AT,
      Metadata: { bounced: 'named' },
    },
    [{ outcome: 'failed', reply: `smtp;${NO_USER}`, messageIds: ['p-1', 'p-1@mtasv.net'], references: ['named'], at: Date.parse(AT) }],
  ],
  ['an automatic reply', { RecordType: 'Bounce', Type: 'AutoResponder', Email: JOE }, []],
  ['a delay', { RecordType: 'Bounce', Type: 'Transient', Email: JOE }, [{ outcome: 'deferred' }]],
  ['a complaint', { RecordType: 'SpamComplaint', Email: JOE }, [{ outcome: 'complaint' }]],
  [
    'who unsubscribed',
    {
      RecordType: 'SubscriptionChange',
      Recipient: JOE,
      SuppressSending: true,
      SuppressionReason: 'ManualSuppression',
      Origin: 'Recipient',
    },
    [{ outcome: 'unsubscribe' }],
  ],
  [
    'what the customer suppressed',
    { RecordType: 'SubscriptionChange', Recipient: JOE, SuppressSending: true, SuppressionReason: 'ManualSuppression', Origin: 'Customer' },
    [],
  ],
  ['an open', { RecordType: 'Open', Recipient: JOE, UserAgent: 'Agent', Geo: { IP: '192.0.2.9' } }, [{ outcome: 'open', ip: '192.0.2.9' }]],
]

const sparkpost = (group: string, event: object): unknown => ({
  msys: { [group]: { event_id: 'e', timestamp: String(SECONDS), rcpt_to: JOE, ...event } },
})
const sparkposts: readonly Case[] = [
  [
    'a batch',
    [
      { msys: {} },
      sparkpost('message_event', { type: 'bounce', raw_reason: NO_USER, message_id: 's-1', rcpt_meta: { bounced: 'named' } }),
      sparkpost('message_event', { type: 'out_of_band', raw_reason: NO_USER, raw_rcpt_to: 'Joe@example.org' }),
      sparkpost('message_event', { type: 'delay', raw_reason: '421 later', num_retries: '3' }),
      sparkpost('unsubscribe_event', { type: 'list_unsubscribe' }),
      sparkpost('track_event', { type: 'initial_open', user_agent: 'Agent' }),
      sparkpost('gen_event', { type: 'generation_failure' }),
    ],
    [
      { outcome: 'refused', reply: NO_USER, messageIds: ['s-1'], references: ['named'], at: Date.parse(AT) },
      { outcome: 'bounced', recipient: 'Joe@example.org' },
      { outcome: 'deferred', attempt: 3 },
      { outcome: 'unsubscribe' },
      { outcome: 'open' },
    ],
  ],
  ['a test', [{ msys: {} }], []],
]

const READERS: readonly (readonly [string, (body: unknown) => EspReading, readonly Case[]])[] = [
  ['SES', readSesEvents, ses],
  ['SendGrid', readSendGridEvents, sendgrid],
  ['Mailgun', readMailgunEvents, mailguns],
  ['Postmark', readPostmarkEvents, postmark],
  ['SparkPost', readSparkPostEvents, sparkposts],
]

describe.each(READERS)('%s', (_, read, cases) => {
  test.each(cases)('%s', (_name, body, want) => {
    const { events } = read(body)
    expect(events).toHaveLength(want.length)
    expect(events).toMatchObject(want)
    expect(read(structuredClone(body)).events.map(({ id }) => id)).toEqual(events.map(({ id }) => id))
  })

  test('any JSON is read, and an event has one recipient and short texts', () => {
    const names = cases.flatMap(([, body]) => JSON.stringify(body).match(/[A-Za-z_-]{3,}/g) ?? [])
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.jsonValue(),
        fc.constantFrom(...names),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom(...names, '__proto__'), tie('tree'), { maxKeys: 8 }),
      ),
    }))
    fc.assert(
      fc.property(tree, (body) => {
        for (const { recipient, reply, id } of read(body).events) {
          expect(recipient).toContain('@')
          expect(recipient.length).toBeLessThanOrEqual(320)
          expect(reply.length).toBeLessThanOrEqual(5_000)
          expect(id).not.toBe('')
        }
      }),
    )
  })

  test('control characters and long texts of a stranger are left out', () => {
    const hostile = JSON.parse(JSON.stringify(cases[0]?.[1]).replaceAll('joe@', String.raw`joe\r\nBcc: x\u2028${'a'.repeat(9_000)}@`))
    for (const event of read(hostile).events) expect(JSON.stringify(event)).not.toMatch(/\\r|\\n|\u2028|a{5000}/)
  })
})
