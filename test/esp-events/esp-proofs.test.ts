/** esp-proofs.test - signatures that are good, and those that a stranger tries */
import { createHmac, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { hasPassword, isSendGridSignatureGood, parseSendGridKey, readMailgunToken } from '../../src/esp-events/esp-signatures.ts'
import {
  isSnsCertificateUrl,
  isSnsSignatureGood,
  isSnsUrl,
  parseSnsCertificate,
  parseSnsMessage,
} from '../../src/esp-events/sns-message.ts'
import { createSelfSignedCertificate } from '../../src/net/certificate.ts'

const NOW = Date.UTC(2026, 10, 20, 12)

test.each([
  ['https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem', true],
  ['https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123abcd.pem', true],
  ['http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem', false],
  ['https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123abcd.pem', false],
  ['https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123abcd.pem', false],
  ['https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem', false],
  ['https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123abcd.pem', false],
  ['https://bucket.s3.amazonaws.com/SimpleNotificationService-0123abcd.pem', false],
  ['https://sns.evil.amazonaws.com.cn.example/SimpleNotificationService-0123abcd.pem', false],
  ['https://sns.eu-west-1.amazonaws.com/?Action=Publish', false],
  ['https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem?x=1', false],
  ['https://sns.eu-west-1.amazonaws.com/a/../SimpleNotificationService-0123abcd.pem', true],
  ['https://sns.eu-west-1.amazonaws.com%00.evil.example/SimpleNotificationService-0123abcd.pem', false],
  ['', false],
])('the URL of a certificate %s', (url, want) => expect(isSnsCertificateUrl(url)).toBe(want))

test('the URL that confirms a subscription is at SNS', () => {
  expect(isSnsUrl('https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t')).toBe(true)
  expect(isSnsUrl('https://169.254.169.254/latest')).toBe(false)
})

const { cert, key } = createSelfSignedCertificate('sns.amazonaws.com', NOW)
const fields = {
  Type: 'Notification',
  MessageId: 'id',
  TopicArn: 'arn:aws:sns:eu-west-1:123456789012:bounces',
  Message: '{"eventType":"Send"}',
  Timestamp: new Date(NOW).toISOString(),
  SigningCertURL: 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem',
}
const covered = (over: Readonly<Record<string, string>>): string =>
  Object.entries({ ...fields, ...over })
    .filter(([name]) => name !== 'SigningCertURL')
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}\n${value}\n`)
    .join('')
const signed = (version: string, over: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => ({
  ...fields,
  ...over,
  SignatureVersion: version,
  Signature: sign(version === '1' ? 'sha1' : 'sha256', Buffer.from(covered(over)), String(key)).toString('base64'),
})
const certificate = new X509Certificate(cert)
const isGood = (body: object): boolean | null => {
  const message = parseSnsMessage(JSON.stringify(body))
  return message && isSnsSignatureGood(message, certificate)
}

test('both versions are verified, with and without a subject, and nothing that is covered can be changed', () => {
  for (const version of ['1', '2']) {
    const body = signed(version, { Subject: 'Hi' })
    expect(isGood(signed(version))).toBe(true)
    expect(isGood(body)).toBe(true)
    for (const name of ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn'])
      expect(isGood({ ...body, [name]: name === 'Timestamp' ? new Date(NOW + 1).toISOString() : `${String(body[name])}x` })).toBe(false)
  }
  expect(isGood({ ...signed('1'), SignatureVersion: '2' })).toBe(false)
  expect(isGood({ ...signed('1'), Signature: '' })).toBe(false)
})

test.each([
  ['no JSON', '{'],
  ['raw message delivery', '{"eventType":"Bounce"}'],
  ['another version', JSON.stringify({ ...signed('2'), SignatureVersion: '3' })],
  ['another type', JSON.stringify({ ...signed('2'), Type: '__proto__' })],
  ['no time', JSON.stringify({ ...signed('2'), Timestamp: 'soon' })],
  ['a field that is no text', JSON.stringify({ ...signed('2'), Message: {} })],
])('%s is no message of SNS', (_, body) => expect(parseSnsMessage(body)).toBeNull())

test('a certificate of another name, or of another time, is not that of SNS', () => {
  expect(parseSnsCertificate(String(cert), NOW + 1_000)).not.toBeNull()
  expect(parseSnsCertificate(String(cert), NOW + 4_000 * 86_400_000)).toBeNull()
  expect(parseSnsCertificate(String(createSelfSignedCertificate('evil.example', NOW).cert), NOW + 1_000)).toBeNull()
  expect(parseSnsCertificate('no certificate', NOW)).toBeNull()
})

test('SendGrid signs the timestamp and the bytes of the body', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const text = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  const own = parseSendGridKey(text)
  const body = Buffer.from('[{"event":"open"}]\r\n')
  const signature = sign('sha256', Buffer.concat([Buffer.from('1600000000'), body]), pair.privateKey).toString('base64')
  const verified = (over: object): boolean | null =>
    own && isSendGridSignatureGood(own, { timestamp: '1600000000', signature, body, ...over })
  expect([verified({}), verified({ timestamp: '1600000001' }), verified({ body: body.subarray(1) }), verified({ signature: 'x' })]).toEqual(
    [true, false, false, false],
  )
  expect(parseSendGridKey('no key')).toBeNull()
  expect(parseSendGridKey(generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }).toString('base64'))).toBeNull()
})

test('Mailgun signs a timestamp and a token', () => {
  const signature = createHmac('sha256', 'signing-key').update('1600000000token').digest('hex')
  const body = (over: object): unknown => ({ signature: { timestamp: '1600000000', token: 'token', signature, ...over } })
  expect(readMailgunToken('signing-key', body({}))).toEqual({ token: 'token', at: 1_600_000_000_000 })
  const wrong = [
    { token: 'other' },
    { timestamp: '160000000', token: '0token' },
    { timestamp: 'x' },
    { signature: '' },
    { signature: [signature] },
  ]
  // The border between timestamp and token is not signed: moving it gives another, old time.
  expect(wrong.map((over) => readMailgunToken('signing-key', body(over)))).toEqual([
    null,
    { token: '0token', at: 160_000_000_000 },
    null,
    null,
    null,
  ])
  expect(readMailgunToken('another-key', body({}))).toBeNull()
  expect(readMailgunToken('signing-key', null)).toBeNull()
})

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
test.each([
  [basic('bounced:secret'), true],
  [basic(':secret'), true],
  [basic('a:b:secret'), false],
  [basic('secret'), false],
  [basic('bounced:secre'), false],
  ['Bearer secret', true],
  ['bearer secret', true],
  ['Bearer secrets', false],
  ['secret', false],
  ['', false],
])('the password in %s', (authorization, want) => expect(hasPassword(authorization, 'secret')).toBe(want))
