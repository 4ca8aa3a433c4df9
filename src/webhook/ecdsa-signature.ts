/**
 * ecdsa-signature - signs a request as SendGrid's signed event webhook does, with a key pair made from the endpoint's secret
 *
 * ECDSA on P-256 with SHA-256 over the timestamp and the body. The key pair follows from the secret, so nothing else has to be stored; the
 * receiver gets the public key as base64 of its SPKI form, as SendGrid shows it. After a rotation there is another pair.
 *
 * See also: webhook/formats/sendgrid-event, webhook/signature.
 */
import { createECDH, createPrivateKey, createPublicKey, hkdfSync, sign, type KeyObject } from 'node:crypto'

/** The order of P-256 (FIPS 186-5, SEC 2 §2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** 384 bits modulo the order: the bias is below 2^-128 (FIPS 186-5, A.2.1). */
const KEY_BYTES = 48

function privateKeyOf(secret: string): KeyObject {
  const material = Buffer.from(hkdfSync('sha256', secret, '', 'bounced webhook ecdsa', KEY_BYTES)).toString('hex')
  const scalar = ((BigInt(`0x${material}`) % (ORDER - 1n)) + 1n).toString(16).padStart(64, '0')
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(scalar, 'hex')
  const point = pair.getPublicKey()
  const toPart = (bytes: Buffer): string => bytes.toString('base64url')
  const coordinates = { x: toPart(point.subarray(1, 33)), y: toPart(point.subarray(33)) }
  return createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', d: toPart(Buffer.from(scalar, 'hex')), ...coordinates } })
}

/** The key that a receiver verifies with. */
export const ecdsaPublicKeyOf = (secret: string): string =>
  createPublicKey(privateKeyOf(secret)).export({ format: 'der', type: 'spki' }).toString('base64')

/** The two headers of a request. `sentAt` in milliseconds. */
export function ecdsaHeaders(secret: string, sentAt: number, body: string): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(sentAt / 1_000))
  const signature = sign('sha256', Buffer.from(timestamp + body), privateKeyOf(secret)).toString('base64')
  return { 'x-twilio-email-event-webhook-signature': signature, 'x-twilio-email-event-webhook-timestamp': timestamp }
}
