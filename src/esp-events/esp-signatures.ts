/**
 * esp-signatures - what the requests of SendGrid, Mailgun, Postmark and SparkPost prove themselves with
 *
 * | ESP                  | proof                                                                                                    |
 * |----------------------|----------------------------------------------------------------------------------------------------------|
 * | SendGrid             | ECDSA (P-256, SHA-256) over a timestamp and the raw body, by the key that its console shows              |
 * | Mailgun              | HMAC-SHA-256 over a timestamp and a token. It does not cover the event, so a token is good for one body  |
 * | Postmark, SparkPost  | basic authentication, or a bearer token: they sign nothing                                               |
 *
 * Pure, total; secrets are compared in constant time. See also: service/esp/verify-request, esp-events/sns-message.
 */
import { createHash, createHmac, createPublicKey, timingSafeEqual, verify, type KeyObject } from 'node:crypto'
import { toRecord, toText } from './json-value.ts'

/** The public key of a Signed Event Webhook, base64 of a SubjectPublicKeyInfo. Null: it is not one of P-256. */
export function parseSendGridKey(text: string): KeyObject | null {
  try {
    const der = Buffer.from(text.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : null
  } catch {
    return null
  }
}

type SendGridProof = { readonly timestamp: string; readonly signature: string; readonly body: Uint8Array }

/** Whether the signature of a request of SendGrid is good. */
export function isSendGridSignatureGood(key: KeyObject, { timestamp, signature, body }: SendGridProof): boolean {
  try {
    return verify('sha256', Buffer.concat([Buffer.from(timestamp), body]), key, Buffer.from(signature, 'base64'))
  } catch {
    return false
  }
}

/** `at`: epoch ms. */
type MailgunToken = { readonly token: string; readonly at: number }

/** The token of a body whose signature is good. Null: it is not. */
export function readMailgunToken(signingKey: string, body: unknown): MailgunToken | null {
  const signed = toRecord(toRecord(body)['signature'])
  const [timestamp, token, signature] = [toText(signed['timestamp'], 32), toText(signed['token'], 256), toText(signed['signature'], 128)]
  if (timestamp === null || token === null || signature === null || !/^\d{1,12}$/.test(timestamp)) return null
  const good = createHmac('sha256', signingKey).update(`${timestamp}${token}`).digest('hex')
  return isSameSecret(signature.toLowerCase(), good) ? { token, at: Number(timestamp) * 1_000 } : null
}

/** Whether an Authorization field has this password, for basic authentication with any user name or as a bearer token. */
export function hasPassword(authorization: string, password: string): boolean {
  const [scheme = '', value = ''] = authorization.split(/\s+/, 2)
  if (scheme.toLowerCase() === 'bearer') return isSameSecret(value, password)
  if (scheme.toLowerCase() !== 'basic') return false
  const decoded = Buffer.from(value, 'base64').toString('utf8')
  return decoded.includes(':') && isSameSecret(decoded.slice(decoded.indexOf(':') + 1), password)
}

/** Digests have one length, so that the comparison tells nothing about that of the secret. */
const isSameSecret = (given: string, expected: string): boolean => timingSafeEqual(digestOfSecret(given), digestOfSecret(expected))

const digestOfSecret = (text: string): Buffer => createHash('sha256').update(text).digest()
