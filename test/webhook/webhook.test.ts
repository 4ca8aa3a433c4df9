/**
 * webhook.test - events of facts, payload formats, retry schedules, circuit breaker, secrets and user agents
 */
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { advanceBreaker, CLOSED_BREAKER, recordResult, type CircuitBreaker } from '../../src/webhook/circuit-breaker.ts'
import { retryDelayMs } from '../../src/webhook/retry-schedule.ts'
import { decryptSecrets, rotateSecrets, encryptSecrets, webhookIdOf } from '../../src/webhook/signature.ts'
import { createVault } from '../../src/config/vault.ts'
import { buildPayload, webhookEventOf, parseWebhookEvent } from '../../src/webhook/payload.ts'
import { type PayloadFormat } from '../../src/webhook/payload-format.ts'
import { formattedIn } from './formatted.ts'
import type { Fact } from '../../src/ledger/facts/fact.ts'
import { aboutDelivery, createFact } from '../../src/ledger/facts/new-fact.ts'
import { FAILED, NOW, ROW } from '../http/sample-rows.ts'
import { engagementData } from '../ledger/given.ts'

const failed = (status: 1 | 4 | 5 | 18): Fact => {
  if (FAILED.kind !== 'failed' || FAILED.data.effect === null) throw new Error('the sample has an effect')
  return { ...FAILED, data: { ...FAILED.data, effect: { ...FAILED.data.effect, status } } }
}

test.each([
  [failed(4), 'invalid'],
  [failed(5), 'soft_bounce'],
  [failed(1), 'deliver'],
  [failed(18), null],
] as const)('a fact is an event by its effect: %#', (fact, event) => expect(webhookEventOf(fact)).toBe(event))

test.each([
  ['1', 'deliver'],
  ['18', 'request'],
  ['click', 'click'],
  ['alarm', 'alarm'],
  ['2', null],
  ['', null],
  ['constructor', null],
] as const)('event %j is %j', (text, event) => expect(parseWebhookEvent(text)).toBe(event))

const written = (format: PayloadFormat, event: 'soft_bounce' | 'request' | 'report_spam' = 'soft_bounce') => {
  const fact = failed(5)
  const body = buildPayload(event, fact, ROW, { timestamp: NOW, token: 't', signature: 's' })
  return formattedIn(format, { payload: body, event, fact, delivery: ROW, sentAt: NOW, secret: 'whsec_k' })
}

test('SendCloud’s fields as a form and as JSON', () => {
  expect(JSON.parse(written('json').body)).toMatchObject({
    event: 'soft_bounce',
    emailId: ROW.emailId,
    cause: '550 5.1.1 No such user',
    subStatDesc: 'Address Does Not Exist',
    asynchronousBounce: true,
    reason: 'not-exist',
    fault: 'recipient',
    billable: true,
  })
  const form = new URLSearchParams(written('form').body)
  expect([form.get('asynchronousBounce'), form.get('userHeaders'), form.get('labelId')]).toEqual(['true', '{}', '7'])
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8::7', '2001:db8::7'],
  ['default', ''],
  [null, ''],
])('outIp of the egress %j is %j', (egressIp, outIp) => {
  const body = buildPayload('soft_bounce', failed(5), { ...ROW, egressIp }, { timestamp: NOW, token: 't', signature: 's' })
  expect(body['outIp']).toBe(outIp)
})

test('CloudEvents, structured and binary', () => {
  const { contentType: type, body: text } = written('cloudevents')
  expect(type).toBe('application/cloudevents+json; charset=utf-8')
  const attributes = {
    specversion: '1.0',
    id: FAILED.id,
    source: '/accounts/1',
    type: 'bounced.soft_bounce',
    time: new Date(NOW).toISOString(),
  }
  expect(JSON.parse(text)).toMatchObject({
    ...attributes,
    subject: ROW.emailId,
    datacontenttype: 'application/json',
    data: { emailId: ROW.emailId },
  })
  const binary = written('cloudevents-binary')
  expect(binary.contentType).toBe('application/json')
  expect(binary.headers).toMatchObject({
    'ce-specversion': '1.0',
    'ce-id': FAILED.id,
    'ce-type': 'bounced.soft_bounce',
    'ce-subject': ROW.emailId,
  })
  expect(JSON.parse(binary.body)).toEqual(JSON.parse(text).data)
})

test('CloudEvents headers are ASCII and can be decoded', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (emailId) => {
      const fact = failed(5)
      const delivery = { ...ROW, emailId }
      const body = buildPayload('invalid', fact, delivery, { timestamp: NOW, token: 't', signature: 's' })
      const { headers } = formattedIn('cloudevents-binary', { payload: body, event: 'invalid', fact, delivery, sentAt: NOW, secret: 'k' })
      const subject = headers['ce-subject'] ?? ''
      expect(subject).toMatch(/^[!-~]+$/)
      expect(decodeURIComponent(subject)).toBe(emailId.toWellFormed())
    }),
  )
})

test.each([
  ['request', 'target', false],
  ['soft_bounce', 'soft_bounce', false],
  ['report_spam', 'report_spam', true],
] as const)('EngageLab: %s is %s', (event, status, isResponse) => {
  const { headers, body: text } = written('engagelab', event)
  const body = JSON.parse(text)
  expect(body).toMatchObject({
    message_id: ROW.messageId,
    server: 'email',
    itime: NOW,
    custom_args: {},
    status: { message_status: status },
  })
  expect('response' in body).toBe(isResponse)
  const signature = createHmac('sha256', 'whsec_k').update(String(NOW)).digest('hex')
  expect(headers).toEqual({ 'X-WebHook-Timestamp': String(NOW), 'X-WebHook-AppKey': 'email', 'X-WebHook-Signature': signature })
})

test('EngageLab’s format returns custom_args, and the user headers of other senders', () => {
  const customArgsOf = (headers: Readonly<Record<string, string>>): unknown => {
    const delivery = { ...ROW, headers }
    const fact = failed(5)
    const payload = buildPayload('soft_bounce', fact, delivery, { timestamp: NOW, token: 't', signature: 's' })
    const { body } = formattedIn('engagelab', { payload, event: 'soft_bounce', fact, delivery, sentAt: NOW, secret: 'whsec_k' })
    return JSON.parse(body).custom_args
  }
  expect(customArgsOf({ 'SC-Custom-Args': '{"order":7,"deep":{"a":1}}', 'X-Other': '1' })).toEqual({ order: 7, deep: { a: 1 } })
  expect(customArgsOf({ 'SC-Custom-Id': '1' })).toEqual({ 'SC-Custom-Id': '1' })
  expect(customArgsOf({ 'SC-Custom-Args': 'no JSON' })).toEqual({})
})

test('a bounce in EngageLab’s format', () => {
  expect(JSON.parse(written('engagelab').body).status.status_data).toMatchObject({
    sub_stat: 406,
    sub_stat_desc: 'Address Does Not Exist',
    asynchronous_bounce: true,
    email_id: ROW.emailId,
  })
})

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'
const CLIENT = { explorerName: 'Chrome', explorerVer: '126.0.0.0', oSName: 'Windows', oSVer: '10.0' }
const READING = { device: 'desktop', browser: 'Chrome', browserVersion: '126.0.0.0', system: 'Windows', systemVersion: '10.0' }
const SEEN = engagementData({ ip: '192.0.2.7', userAgent: CHROME, ...READING, country: 'DE', first: true })
const ABOUT = aboutDelivery(ROW)
const MOMENT = { at: NOW, receivedAt: NOW, ids: { next: () => FAILED.id } }
const OPEN = createFact('open', ABOUT, MOMENT, SEEN)
const CLICK = createFact('click', ABOUT, MOMENT, { ...SEEN, url: 'https://example.com/?a=1&b=2', machine: 'burst', ip: null })
const UNSUBSCRIBE = createFact('unsubscribe', ABOUT, MOMENT, {
  scope: '',
  change: 1,
  how: 'page',
  type: 0,
  ip: '192.0.2.7',
  userAgent: null,
  ...READING,
  digest: null,
  settingsVersion: 1,
})
const formatted = (format: PayloadFormat, event: 'open' | 'click' | 'unsubscribe', fact: Fact) => {
  const payload = buildPayload(event, fact, ROW, { timestamp: NOW, token: 't', signature: 's' })
  return formattedIn(format, { payload, event, fact, delivery: ROW, sentAt: NOW, secret: 'whsec_k' }).body
}

test.each([
  ['open', OPEN, { ip: '192.0.2.7', ...CLIENT, device: 'desktop', country: 'DE', city: null, machine: null, first: true }],
  ['click', CLICK, { ip: '', ...CLIENT, url: 'https://example.com/?a=1&b=2', machine: 'burst' }],
  ['unsubscribe', UNSUBSCRIBE, { ip: '192.0.2.7', ...CLIENT }],
] as const)('%s in every format', (event, fact, fields) => {
  expect(webhookEventOf(fact)).toBe(event)
  const expected = { event, emailId: ROW.emailId, recipient: ROW.recipient, ...fields }
  expect(JSON.parse(formatted('json', event, fact))).toMatchObject(expected)
  expect(JSON.parse(formatted('cloudevents-binary', event, fact))).toMatchObject(expected)
  expect(JSON.parse(formatted('cloudevents', event, fact))).toMatchObject({ type: `bounced.${event}`, data: expected })
  const form = new URLSearchParams(formatted('form', event, fact))
  for (const [name, value] of Object.entries(expected)) expect(form.get(name)).toBe(value === null ? '' : String(value))
  const { status, response } = JSON.parse(formatted('engagelab', event, fact))
  const names = { explorer_name: 'Chrome', explorer_ver: '126.0.0.0', os_name: 'Windows', os_ver: '10.0', ip: fields.ip }
  expect([status.message_status, response.event, response.response_data]).toMatchObject([event, event, names])
})

test('an alarm about a message names it, and another does not', () => {
  const alarm = createFact('alarm', ABOUT, MOMENT, { alarm: 'engaged-bounce', text: 'opened', detail: {} })
  const named = buildPayload('alarm', alarm, ROW, { timestamp: NOW, token: 't', signature: 's' })
  expect(named).toMatchObject({ alarm: 'engaged-bounce', message: 'opened', emailId: ROW.emailId, recipient: ROW.recipient })
  expect(buildPayload('alarm', alarm, null, { timestamp: NOW, token: 't', signature: 's' })).not.toHaveProperty('emailId')
})

test.each([
  ['vendor', 1, 60_000],
  ['vendor', 5, 960_000],
  ['vendor', 6, null],
  ['standard', 6, 3_600_000],
  ['standard', 12, 86_400_000],
  ['standard', 13, null],
] as const)('ladder %s after %i: %s', (ladder, attempts, rest) => expect(retryDelayMs(ladder, attempts)).toBe(rest))

// g: a success; b: a failure; a digit: that many seconds pass.
test.each([
  ['', 'closed'],
  ['bbbb', 'closed'],
  ['bbbbgbbbb', 'closed'],
  ['bbbbb', 'open'],
  ['bbbbb9', 'open'],
  ['bbbbb99', 'trial'],
  ['bbbbb99g', 'closed'],
  ['bbbbb99b', 'open'],
  ['bbbbb99b999', 'open'],
  ['bbbbb99b9999', 'trial'],
  ['bbbbb99b9999g', 'closed'],
  ['bbbbbg', 'closed'],
] as const)('breaker after %j is %s', (story, state) => {
  let now = 0
  let breaker: CircuitBreaker = CLOSED_BREAKER
  for (const step of story) {
    if (step === 'g' || step === 'b') breaker = recordResult(breaker, step === 'g', now)
    else now += Number(step) * 1_000
    breaker = advanceBreaker(breaker, now)
  }
  expect(breaker.state).toBe(state)
})

test('the open time of a breaker is at most five minutes', () => {
  let breaker: CircuitBreaker = CLOSED_BREAKER
  for (let n = 0; n < 50; n++) breaker = advanceBreaker(recordResult(breaker, false, 0), breaker.openUntil)
  expect(recordResult(breaker, false, 0).openUntil).toBeLessThanOrEqual(300_000)
})

const DAY_MS = 86_400_000

test('secrets can be decrypted for their endpoint only, and an old one is valid for a day', () => {
  const vault = createVault(Buffer.alloc(32, 7))
  const endpoint = { account: 1, endpointId: 2 }
  const secrets = rotateSecrets([{ secret: 'whsec_old', until: null }], NOW)
  const sealedKey = encryptSecrets(vault, endpoint, secrets)
  expect(decryptSecrets(vault, { ...endpoint, sealedKey }, NOW).map(({ secret }) => secret)).toEqual([secrets[0]?.secret, 'whsec_old'])
  expect(decryptSecrets(vault, { ...endpoint, sealedKey }, NOW + DAY_MS)).toHaveLength(1)
  expect(() => decryptSecrets(vault, { account: 2, endpointId: 2, sealedKey }, NOW)).toThrow(/cannot be decrypted/)
  const twice = rotateSecrets(secrets, NOW + 1)
  expect(twice.map(({ until }) => until)).toEqual([null, NOW + 1 + DAY_MS, NOW + DAY_MS])
  let many = twice
  for (let n = 2; n < 20; n++) many = rotateSecrets(many, NOW + n)
  expect(many).toHaveLength(5)
  expect(rotateSecrets(many, NOW + 10 * DAY_MS)).toHaveLength(2)
  expect(webhookIdOf('e', endpoint)).toBe(webhookIdOf('e', endpoint))
  expect(webhookIdOf('e', endpoint)).not.toBe(webhookIdOf('e', { account: 1, endpointId: 3 }))
})
