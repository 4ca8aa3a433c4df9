/**
 * sns-message - a message of Amazon SNS: what its signature covers, and whether it is good
 *
 * The signature covers the values of a fixed list of fields. Version 1 is RSA with SHA-1, version 2 RSA with SHA-256. The certificate is loaded from
 * the URL that the message names, so the URL must be that of an SNS host of Amazon: anything else lets a stranger bring his own.
 *
 * Pure. See also: service/esp/sns-certificates (loads and keeps certificates),
 * https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
 */
import { verify, X509Certificate } from 'node:crypto'
import { parseJsonText, toRecord } from './json-value.ts'

const SNS_TYPES = ['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation'] as const
type SnsType = (typeof SNS_TYPES)[number]

type SnsMessage = {
  readonly type: SnsType
  readonly messageId: string
  readonly topicArn: string
  readonly message: string
  /** Epoch ms. */
  readonly at: number
  readonly certificateUrl: string
  /** Null for a notification. */
  readonly subscribeUrl: string | null
  readonly signature: string
  readonly algorithm: 'sha1' | 'sha256'
  /** The text that the signature covers. */
  readonly signedText: string
}

const ALGORITHMS: Readonly<Partial<Record<string, SnsMessage['algorithm']>>> = { '1': 'sha1', '2': 'sha256' }
const SIGNED_FIELDS = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
} as const satisfies Record<SnsType, readonly string[]>
const OPTIONAL_FIELD = 'Subject'

/** Reads a body. Null: it is no signed message of SNS. */
export function parseSnsMessage(body: string): SnsMessage | null {
  const fields = toRecord(parseJsonText(body))
  const field = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '')
  const type = SNS_TYPES.find((each) => each === fields['Type'])
  const algorithm = ALGORITHMS[field('SignatureVersion')]
  if (type === undefined || algorithm === undefined) return null
  const present = SIGNED_FIELDS[type].filter((name) => name !== OPTIONAL_FIELD || typeof fields[name] === 'string')
  const at = Date.parse(field('Timestamp'))
  const isWhole = present.every((name) => typeof fields[name] === 'string') && Number.isFinite(at)
  if (!isWhole) return null
  return {
    type,
    messageId: field('MessageId'),
    topicArn: field('TopicArn'),
    message: field('Message'),
    at,
    certificateUrl: field('SigningCertURL'),
    subscribeUrl: type === 'Notification' ? null : field('SubscribeURL'),
    signature: field('Signature'),
    algorithm,
    signedText: present.map((name) => `${name}\n${field(name)}\n`).join(''),
  }
}

const SNS_HOST = /^sns\.[a-z0-9-]{2,32}\.amazonaws\.com(?:\.cn)?$/
const CERTIFICATE_PATH = /^\/SimpleNotificationService-[A-Za-z0-9]{1,128}\.pem$/

/** Whether a URL is one of an SNS host: `https`, the usual port, no credentials. */
export function isSnsUrl(text: string): boolean {
  const url = text.length > 2_000 ? null : URL.parse(text)
  return url?.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '' && SNS_HOST.test(url.hostname)
}

/** Whether a URL is that of a signing certificate, and of nothing else that the same host serves. */
export const isSnsCertificateUrl = (text: string): boolean => {
  const url = isSnsUrl(text) ? new URL(text) : null
  return url !== null && CERTIFICATE_PATH.test(url.pathname) && url.search === '' && url.hash === ''
}

/** A certificate from its PEM text. Null: it is none, or not that of SNS, or not valid at this time. */
export function parseSnsCertificate(pem: string, now: number): X509Certificate | null {
  try {
    const certificate = new X509Certificate(pem)
    const isValid = now >= Date.parse(certificate.validFrom) && now <= Date.parse(certificate.validTo)
    return isValid && certificate.checkHost('sns.amazonaws.com', { subject: 'always' }) !== undefined ? certificate : null
  } catch {
    return null
  }
}

/** Whether the signature of a message is good. Total. */
export function isSnsSignatureGood({ algorithm, signedText, signature }: SnsMessage, { publicKey }: X509Certificate): boolean {
  try {
    return verify(algorithm, Buffer.from(signedText), publicKey, Buffer.from(signature, 'base64'))
  } catch {
    return false
  }
}
