/**
 * formats.test - our own words, and the words of SES, SendGrid and Postmark: every event, the fields that their pages list, signatures
 */
import { createPublicKey, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { REASONS, type Reason } from '../../src/classify/reasons.ts'
import type { StatusEffect } from '../../src/ledger/facts/decision.ts'
import type { AttemptData } from '../../src/ledger/facts/delivery-facts.ts'
import type { Fact } from '../../src/ledger/facts/fact.ts'
import { aboutDelivery, aboutMail, createFact } from '../../src/ledger/facts/new-fact.ts'
import { readPostmarkEvents } from '../../src/esp-events/postmark-events.ts'
import { readSendGridEvents } from '../../src/esp-events/sendgrid-events.ts'
import { readSesEvents } from '../../src/esp-events/ses-events.ts'
import { ecdsaPublicKeyOf } from '../../src/webhook/ecdsa-signature.ts'
import { formatPayload, hasWordFor, PAYLOAD_FORMATS, type PayloadFormat } from '../../src/webhook/payload-format.ts'
import { buildPayload, WEBHOOK_EVENT_NAMES, webhookEventOf, type WebhookEventName } from '../../src/webhook/payload.ts'
import { FAILED, NOW, ROW } from '../http/sample-rows.ts'
import { engagementData } from '../ledger/given.ts'
import { formattedIn } from './formatted.ts'

const SECRET = 'whsec_c2VjcmV0'
const AT = new Date(NOW).toISOString()
const ABOUT = aboutDelivery(ROW)
const MOMENT = { at: NOW, receivedAt: NOW, ids: { next: () => FAILED.id } }
const TIE = { via: 'return-path', proof: 'token' } as const
const CLIENT = { ip: '192.0.2.7', userAgent: 'Agent/1', device: 'desktop', browser: 'Chrome', system: 'Windows', country: 'DE' }

const attempt = (fields: Partial<AttemptData>): Fact =>
  createFact('attempt', ABOUT, MOMENT, {
    n: 2,
    code: 451,
    status: '4.7.1',
    text: 'try again later',
    error: null,
    mx: 'mx1.example.com',
    egressIp: '198.51.100.7',
    site: 'example.com',
    final: false,
    source: 'queue',
    verdict: null,
    effect: null,
    settingsVersion: 1,
    ...fields,
  })

const EFFECT = { status: 1, subStatus: null, asynchronous: false, reason: null, permanence: null, fault: null } as const
const DELIVERED: StatusEffect = { ...EFFECT, weak: false, forwarded: false, engaged: false }

/** A failure of a reason, as a report tells it. */
function failure(reason: Reason, permanence: 'permanent' | 'temporary', fields: Partial<StatusEffect> = {}): Fact {
  if (FAILED.kind !== 'failed' || FAILED.data.effect === null || FAILED.data.verdict === null) throw new Error('the sample has an effect')
  const { fault, permanent, temporary } = REASONS[reason]
  const subStatus = permanence === 'permanent' ? permanent : temporary
  const status = subStatus < 500 ? 4 : 5
  return {
    ...FAILED,
    data: { ...FAILED.data, effect: { ...FAILED.data.effect, status, subStatus, reason, permanence, fault, ...fields } },
  }
}

const filed = (what: 'auto-reply' | 'mdn', tie: typeof TIE | null): Fact =>
  createFact('filed', tie === null ? aboutMail(1, 'd', null) : ABOUT, MOMENT, {
    what,
    from: 'joe@example.com',
    subject: 'Out of office',
    text: 'I am away',
    tie,
    digest: 'd',
  })

const delayed = createFact('delayed', ABOUT, MOMENT, {
  reported: 'joe@example.com',
  text: '452 4.2.2 mailbox full',
  remoteMta: 'mx2.example.com',
  lastAttemptAt: NOW,
  willRetryUntil: NOW + 3_600_000,
  verdict: null,
  tie: TIE,
  digest: 'd',
})

/** One fact for each event about a mail. */
const FACTS = {
  request: createFact('request', ABOUT, MOMENT, {
    emailId: 'm1x0$joe@example.com',
    messageId: 'm1x',
    recipient: 'joe@example.com',
    domain: 'example.com',
    site: null,
    apiUser: 'alice',
    labelId: 7,
    label: 'news',
    emailType: 'trigger',
    broadcast: null,
    from: 'news@example.org',
    subject: 'Hello',
    headers: {},
    messageIdHeader: '<m1x0@example.org>',
    requestIp: null,
    requestedAt: NOW,
    result: 'sent',
    settingsVersion: 1,
  }),
  deliver: attempt({ code: 250, status: '2.0.0', text: 'ok', final: true, effect: DELIVERED }),
  invalid: failure('not-exist', 'permanent'),
  soft_bounce: failure('mailbox-full', 'temporary'),
  deferred: attempt({}),
  auto_reply: filed('auto-reply', TIE),
  report_spam: createFact('complaint', ABOUT, MOMENT, {
    feedbackType: 'abuse',
    reporter: 'fbl.example.net',
    episode: 0,
    listed: true,
    userAgent: 'Loop/1',
    sourceIp: null,
    arrivalAt: NOW - 1_000,
    tie: TIE,
    digest: 'd',
    settingsVersion: 1,
  }),
  click: createFact('click', ABOUT, MOMENT, engagementData({ ...CLIENT, url: 'https://example.com/' })),
  open: createFact('open', ABOUT, MOMENT, engagementData({ ...CLIENT, machine: 'bot' })),
  unsubscribe: createFact('unsubscribe', ABOUT, MOMENT, {
    how: 'page',
    type: 0,
    scope: 'news',
    change: 1,
    ip: '192.0.2.7',
    userAgent: null,
    digest: null,
    settingsVersion: 1,
    device: 'desktop',
    browser: 'Chrome',
    browserVersion: '1',
    system: 'Windows',
    systemVersion: '10',
  }),
} as const satisfies Partial<Record<WebhookEventName, Fact>>

type MailEvent = keyof typeof FACTS
// Checked cast: the keys of the literal above.
const MAIL_EVENTS = Object.keys(FACTS) as MailEvent[]

const DELIVERY = { ...ROW, headers: { 'SC-Custom-Order': '7', event: 'forged', 'X-Other': '1' } }

const bodyOf = (format: PayloadFormat, event: WebhookEventName, fact: Fact) => {
  const payload = buildPayload(event, fact, DELIVERY, { timestamp: NOW, token: 't', signature: 's' })
  return formattedIn(format, { payload, event, fact, delivery: DELIVERY, sentAt: NOW, secret: SECRET })
}
const read = (format: PayloadFormat, event: MailEvent, fact: Fact = FACTS[event]) => JSON.parse(bodyOf(format, event, fact).body)
const readSes = (event: MailEvent, fact: Fact = FACTS[event]) => JSON.parse(read('ses', event, fact).Message)

test.each(MAIL_EVENTS)('a fact is the event %s', (event) => expect(webhookEventOf(FACTS[event])).toBe(event))

test.each([
  ['an attempt of unknown fate', attempt({ error: 'unknown', code: null }), null],
  ['a final attempt without an effect', attempt({ final: true }), null],
  ['a delay that a report tells', delayed, 'deferred'],
  ['a read receipt', filed('mdn', TIE), null],
  ['an automatic answer that is about no mail of ours', filed('auto-reply', null), null],
] as const)('%s', (_, fact, event) => expect(webhookEventOf(fact)).toBe(event))

// Events about a mail that a format has no word for. What is about no mail, only our own formats say.
test.each([
  ['ses', ['auto_reply']],
  ['sendgrid', ['auto_reply']],
  ['postmark', ['request']],
  ['bounced', []],
  ['form', []],
  ['json', []],
  ['cloudevents', []],
  ['cloudevents-binary', []],
  ['engagelab', []],
] as const)('%s has no word for %j', (format, without) => {
  expect(MAIL_EVENTS.filter((event) => !hasWordFor(format, event))).toEqual(without)
  const isForeign = format === 'ses' || format === 'sendgrid' || format === 'postmark'
  const others = WEBHOOK_EVENT_NAMES.filter((event) => !Object.hasOwn(FACTS, event))
  expect(others.filter((event) => hasWordFor(format, event))).toEqual(isForeign ? [] : others)
  for (const event of without) {
    const message = { payload: {}, fields: {}, event, fact: FACTS[event], delivery: ROW, sentAt: NOW, secret: SECRET }
    expect(formatPayload(format, message)).toBeNull()
  }
})

describe('bounced: our own words', () => {
  test('no name of another vendor is in it', () => {
    for (const event of MAIL_EVENTS) {
      const { body } = bodyOf('bounced', event, FACTS[event])
      expect(body).not.toMatch(/maillist|mail_list|category|subStat"|subStatDesc|explorer|oSName|outIp|timestamp|cause"/)
      expect(JSON.parse(body)).toMatchObject({
        id: FAILED.id,
        event,
        at: AT,
        receivedAt: AT,
        message: {
          messageId: 'm1x',
          emailId: 'm1x0$joe@example.com',
          recipient: 'joe@example.com',
          from: 'news@example.org',
          subject: 'Hello',
          apiUser: 'alice',
          label: 'news',
          broadcast: null,
          messageIdHeader: '<m1x0@example.org>',
          requestedAt: new Date(NOW - 60_000).toISOString(),
          userHeaders: { 'SC-Custom-Order': '7' },
        },
      })
    }
  })

  const cases = [
    [
      'invalid',
      FACTS.invalid,
      {
        status: 'invalid',
        subStatus: 406,
        reason: 'not-exist',
        permanence: 'permanent',
        fault: 'recipient',
        asynchronous: true,
        code: 550,
        enhancedStatus: '5.1.1',
        text: '550 5.1.1 No such user',
        remoteMta: 'mx.example.com',
        rule: 'google-not-exist',
        provider: 'google',
      },
    ],
    ['soft_bounce', FACTS.soft_bounce, { status: 'soft-bounce', subStatus: 508, reason: 'mailbox-full', permanence: 'temporary' }],
    [
      'deliver',
      FACTS.deliver,
      {
        status: 'delivered',
        code: 250,
        enhancedStatus: '2.0.0',
        text: '250 2.0.0 ok',
        remoteMta: 'mx1.example.com',
        egressIp: '198.51.100.7',
      },
    ],
    [
      'deferred',
      FACTS.deferred,
      { status: 'sending', asynchronous: false, code: 451, text: '451 4.7.1 try again later', attempt: 2, retryUntil: null },
    ],
    [
      'deferred',
      delayed,
      { status: 'sending', asynchronous: true, remoteMta: 'mx2.example.com', retryUntil: new Date(NOW + 3_600_000).toISOString() },
    ],
  ] as const
  test.each(cases)('the outcome of %s', (event, fact, outcome) => expect(read('bounced', event, fact).outcome).toMatchObject(outcome))

  test.each([
    ['report_spam', 'complaint', { feedbackType: 'abuse', reporter: 'fbl.example.net', listed: true, proof: 'token' }],
    ['open', 'engagement', { ip: '192.0.2.7', browser: 'Chrome', country: 'DE', machine: 'bot', url: null }],
    ['click', 'engagement', { url: 'https://example.com/' }],
    ['unsubscribe', 'unsubscribe', { how: 'page', scope: 'news', ip: '192.0.2.7' }],
    ['auto_reply', 'autoReply', { from: 'joe@example.com', subject: 'Out of office', text: 'I am away' }],
  ] as const)('%s has the part %s', (event, part, fields) => expect(read('bounced', event)[part]).toMatchObject(fields))

  test('inbound mail has our names', () => {
    const fact = createFact('route', aboutMail(1, 'd', null), MOMENT, { digest: 'd', domain: 'in.example.com', size: 1, truncated: false })
    const fields = {
      from: 'a@example.com',
      fromname: 'A',
      to: 'b@in.example.com',
      toname: '',
      x_mx_mailfrom: 'a@example.com',
      x_mx_rcptto: 'b@in.example.com',
      headers: '{"subject":"Hi"}',
      html: '',
      text: 'x',
      subject: 'Hi',
      raw_message: '',
      raw_message_url: 'https://x',
      reference: '',
      truncated: false,
    }
    const message = { payload: {}, fields, event: 'route', fact, delivery: null, sentAt: NOW, secret: SECRET } as const
    const { message: about, mail } = JSON.parse(formattedIn('bounced', message).body)
    expect(about).toBeNull()
    expect(mail).toEqual({
      from: 'a@example.com',
      fromName: 'A',
      to: 'b@in.example.com',
      toName: '',
      subject: 'Hi',
      text: 'x',
      html: '',
      mailFrom: 'a@example.com',
      rcptTo: 'b@in.example.com',
      raw: '',
      rawUrl: 'https://x',
      references: '',
      truncated: false,
      headers: { subject: 'Hi' },
    })
  })
})

describe('ses', () => {
  const MAIL_FIELDS = [
    'timestamp',
    'source',
    'sourceArn',
    'sourceIp',
    'sendingAccountId',
    'messageId',
    'destination',
    'headersTruncated',
    'headers',
    'commonHeaders',
    'tags',
  ]
  const BOUNCE_FIELDS = ['feedbackId', 'bounceType', 'bounceSubType', 'bouncedRecipients', 'timestamp', 'reportingMTA']

  test('the envelope is that of an SNS notification', () => {
    const { body, contentType, headers } = bodyOf('ses', 'invalid', FACTS.invalid)
    expect([contentType, headers['x-amz-sns-message-type']]).toEqual(['text/plain; charset=UTF-8', 'Notification'])
    expect(Object.keys(JSON.parse(body))).toEqual([
      'Type',
      'MessageId',
      'TopicArn',
      'Subject',
      'Message',
      'Timestamp',
      'SignatureVersion',
      'Signature',
      'SigningCertURL',
      'UnsubscribeURL',
    ])
  })

  test.each([
    ['request', 'Send', 'send', []],
    ['deliver', 'Delivery', 'delivery', ['timestamp', 'processingTimeMillis', 'recipients', 'smtpResponse', 'reportingMTA']],
    ['invalid', 'Bounce', 'bounce', BOUNCE_FIELDS],
    ['soft_bounce', 'Bounce', 'bounce', BOUNCE_FIELDS],
    ['deferred', 'DeliveryDelay', 'deliveryDelay', ['timestamp', 'delayType', 'delayedRecipients', 'reportingMTA']],
    [
      'report_spam',
      'Complaint',
      'complaint',
      ['feedbackId', 'complaintSubType', 'complainedRecipients', 'timestamp', 'userAgent', 'complaintFeedbackType', 'arrivalDate'],
    ],
    ['open', 'Open', 'open', ['ipAddress', 'timestamp', 'userAgent']],
    ['click', 'Click', 'click', ['ipAddress', 'timestamp', 'userAgent', 'link', 'linkTags']],
    ['unsubscribe', 'Subscription', 'subscription', ['contactList', 'timestamp', 'source', 'newTopicPreferences', 'oldTopicPreferences']],
  ] as const)('%s is %s', (event, type, field, fields) => {
    const message = readSes(event)
    expect(message.eventType).toBe(type)
    expect(message.notificationType).toBe(['Bounce', 'Complaint', 'Delivery'].includes(type) ? type : undefined)
    expect(Object.keys(message[field]).toSorted()).toEqual(fields.toSorted())
    expect(Object.keys(message.mail)).toEqual(MAIL_FIELDS)
    expect(message.mail).toMatchObject({ messageId: 'm1x', destination: ['joe@example.com'], commonHeaders: { subject: 'Hello' } })
  })

  test.each([
    ['not-exist', 'permanent', {}, 'Permanent', 'NoEmail'],
    ['not-exist', 'permanent', { weak: true }, 'Transient', 'NoEmail'],
    ['not-exist', 'permanent', { forwarded: true }, 'Transient', 'NoEmail'],
    ['mailbox-full', 'temporary', {}, 'Transient', 'MailboxFull'],
    ['spam', 'permanent', {}, 'Transient', 'ContentRejected'],
    ['blacklisted', 'permanent', {}, 'Permanent', 'OnAccountSuppressionList'],
  ] as const)('%s, %s %j is %s', (reason, permanence, fields, type, subType) => {
    const { bounce } = readSes('invalid', failure(reason, permanence, fields))
    expect(bounce).toMatchObject({ bounceType: type, bounceSubType: subType })
    const refused = { emailAddress: 'joe@example.com', action: 'failed', status: '5.1.1', diagnosticCode: 'smtp; 550 5.1.1 No such user' }
    expect(bounce.bouncedRecipients).toEqual([refused])
  })
})

describe('sendgrid', () => {
  const COMMON = ['email', 'timestamp', 'smtp-id', 'category', 'sg_event_id', 'sg_message_id', 'email_id', 'event', 'SC-Custom-Order']
  test.each([
    ['request', 'processed', []],
    ['deliver', 'delivered', ['response', 'ip']],
    ['invalid', 'bounce', ['type', 'reason', 'status', 'bounce_classification']],
    ['soft_bounce', 'bounce', ['type', 'reason', 'status', 'bounce_classification']],
    ['deferred', 'deferred', ['response', 'attempt', 'ip']],
    ['report_spam', 'spamreport', []],
    ['open', 'open', ['useragent', 'ip', 'sg_machine_open']],
    ['click', 'click', ['useragent', 'ip', 'url']],
    ['unsubscribe', 'unsubscribe', []],
  ] as const)('%s is %s', (event, name, fields) => {
    const events = read('sendgrid', event)
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ event: name, email: 'joe@example.com', timestamp: Math.floor(NOW / 1_000), 'SC-Custom-Order': '7' })
    expect(events[0].sg_message_id).toBe('m1x.recvd-0')
    expect(Object.keys(events[0]).toSorted()).toEqual([...COMMON, ...fields].toSorted())
  })

  test.each([
    ['not-exist', 'permanent', { event: 'bounce', type: 'bounce', bounce_classification: 'Invalid Address' }],
    ['ip-blocked', 'temporary', { event: 'bounce', type: 'blocked', bounce_classification: 'Reputation' }],
    ['blacklisted', 'permanent', { event: 'dropped', reason: 'Bounced Address' }],
    ['unsubscribed', 'permanent', { event: 'dropped', reason: 'Unsubscribed Address' }],
  ] as const)('%s, %s', (reason, permanence, fields) =>
    expect(read('sendgrid', 'invalid', failure(reason, permanence))[0]).toMatchObject(fields),
  )

  test('the signature covers the timestamp and the body, and the key that the API shows verifies it', () => {
    const { body, headers } = bodyOf('sendgrid', 'invalid', FACTS.invalid)
    const key = createPublicKey({ key: Buffer.from(ecdsaPublicKeyOf(SECRET), 'base64'), format: 'der', type: 'spki' })
    const timestamp = headers['x-twilio-email-event-webhook-timestamp'] ?? ''
    const signature = Buffer.from(headers['x-twilio-email-event-webhook-signature'] ?? '', 'base64')
    const isValid = (text: string, by = key): boolean => verify('sha256', Buffer.from(text), by, signature)
    expect([isValid(timestamp + body), isValid(timestamp + body.replace('joe', 'ann')), isValid(`1${timestamp}${body}`)]).toEqual([
      true,
      false,
      false,
    ])
    expect(ecdsaPublicKeyOf(SECRET)).toBe(ecdsaPublicKeyOf(SECRET))
    const other = createPublicKey({ key: Buffer.from(ecdsaPublicKeyOf('whsec_other'), 'base64'), format: 'der', type: 'spki' })
    expect(isValid(timestamp + body, other)).toBe(false)
  })
})

describe('postmark', () => {
  const COMMON = ['MessageStream', 'MessageID', 'ServerID', 'Tag', 'Metadata', 'RecordType']
  const BOUNCE = [
    'ID',
    'Type',
    'TypeCode',
    'Name',
    'Description',
    'Details',
    'Email',
    'From',
    'BouncedAt',
    'DumpAvailable',
    'Inactive',
    'CanActivate',
    'Subject',
    'Content',
  ]
  const SEEN = ['Recipient', 'ReceivedAt', 'Client', 'OS', 'Platform', 'UserAgent', 'Geo']
  test.each([
    ['deliver', 'Delivery', ['Recipient', 'DeliveredAt', 'Details']],
    ['invalid', 'Bounce', BOUNCE],
    ['soft_bounce', 'Bounce', BOUNCE],
    ['deferred', 'Bounce', BOUNCE],
    ['auto_reply', 'Bounce', BOUNCE],
    ['report_spam', 'SpamComplaint', BOUNCE],
    ['open', 'Open', [...SEEN, 'FirstOpen', 'ReadSeconds']],
    ['click', 'Click', [...SEEN, 'ClickLocation', 'OriginalLink']],
    ['unsubscribe', 'SubscriptionChange', ['ChangedAt', 'Recipient', 'Origin', 'SuppressSending', 'SuppressionReason']],
  ] as const)('%s is %s', (event, type, fields) => {
    const record = read('postmark', event)
    expect(Object.keys(record).toSorted()).toEqual([...COMMON, ...fields].toSorted())
    expect(record).toMatchObject({
      RecordType: type,
      MessageStream: 'outbound',
      MessageID: 'm1x0$joe@example.com',
      Tag: 'news',
      ServerID: 1,
    })
    expect(record.Metadata).toEqual({ 'SC-Custom-Order': '7', messageId: 'm1x' })
  })

  test.each([
    ['invalid', failure('not-exist', 'permanent'), ['HardBounce', 1, true]],
    ['invalid', failure('format-error', 'permanent'), ['BadEmailAddress', 100_000, true]],
    ['soft_bounce', failure('mailbox-full', 'temporary'), ['SoftBounce', 4096, false]],
    ['soft_bounce', failure('not-exist', 'temporary'), ['SoftBounce', 4096, false]],
    ['invalid', failure('spam', 'permanent'), ['SpamNotification', 512, false]],
    ['soft_bounce', failure('ip-blocked', 'temporary'), ['Blocked', 100_006, false]],
    ['soft_bounce', failure('domain-not-exist', 'temporary'), ['DnsError', 256, false]],
    ['deferred', FACTS.deferred, ['Transient', 2, false]],
    ['auto_reply', FACTS.auto_reply, ['AutoResponder', 64, false]],
    ['report_spam', FACTS.report_spam, ['SpamComplaint', 100_001, true]],
  ] as const)('%s %#', (event, fact, want) => {
    const { Type, TypeCode, Inactive, ID } = read('postmark', event, fact)
    expect([Type, TypeCode, Inactive]).toEqual(want)
    expect(Number.isSafeInteger(ID)).toBe(true)
  })
})

test('every format writes every fact that it has a word for, whatever a stranger wrote', () => {
  const texts = fc.string({ unit: 'binary', maxLength: 40 })
  const of = fc.record({ text: texts, status: fc.option(texts), mx: fc.option(texts), recipient: fc.option(texts), subject: texts })
  fc.assert(
    fc.property(of, fc.constantFrom(...PAYLOAD_FORMATS), ({ text, status, mx, recipient, subject }, format) => {
      const fact = attempt({ text, status, mx })
      const delivery = { ...DELIVERY, recipient, subject, emailId: recipient }
      const payload = buildPayload('deferred', fact, delivery, { timestamp: NOW, token: 't', signature: 's' })
      const { body, headers } = formattedIn(format, { payload, event: 'deferred', fact, delivery, sentAt: NOW, secret: SECRET })
      expect(Buffer.from(body).length).toBeGreaterThan(0)
      for (const value of Object.values(headers)) expect(value).toMatch(/^[\t !-~]*$/)
    }),
  )
})

/** What our own reader of each provider's events makes of them; null: it takes the event for one without an outcome. */
const READ_BACK = {
  request: null,
  deliver: 'delivered',
  invalid: { ses: 'bounced', sendgrid: 'failed', postmark: 'failed' },
  soft_bounce: { ses: 'bounced', sendgrid: 'failed', postmark: 'failed' },
  deferred: 'deferred',
  auto_reply: null,
  report_spam: 'complaint',
  open: 'open',
  click: 'click',
  unsubscribe: 'unsubscribe',
} as const satisfies Record<MailEvent, string | null | Record<'ses' | 'sendgrid' | 'postmark', string>>

const READERS = {
  ses: (body: string) => readSesEvents(JSON.parse(JSON.parse(body).Message)),
  sendgrid: (body: string) => readSendGridEvents(JSON.parse(body)),
  postmark: (body: string) => readPostmarkEvents(JSON.parse(body)),
} as const

describe.each(['ses', 'sendgrid', 'postmark'] as const)('%s, as a program reads it that knows the provider', (format) => {
  test.each(MAIL_EVENTS.filter((event) => hasWordFor(format, event)))('%s', (event) => {
    const { events } = READERS[format](bodyOf(format, event, FACTS[event]).body)
    const want = READ_BACK[event]
    const outcome = typeof want === 'object' && want !== null ? want[format] : want
    expect(events.map((each) => [each.outcome, each.recipient])).toEqual(outcome === null ? [] : [[outcome, 'joe@example.com']])
    expect(events.map(({ reply }) => reply).join('')).toContain(event === 'invalid' ? '550 5.1.1 No such user' : '')
  })
})
