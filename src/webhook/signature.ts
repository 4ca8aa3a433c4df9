/**
 * signature - signs webhooks with SendCloud's signature and with Standard Webhooks
 *
 * SendCloud's signature covers a timestamp and a random token, but not the body. The Standard Webhooks signature covers the body and an ID that is
 * the same for all retries. While a secret is rotated, Standard Webhooks signs with the new and the old secrets; SendCloud's scheme has room for
 * one signature, which uses the new secret.
 *
 * Standard Webhooks 1.0 (whsec_, webhook-id, webhook-timestamp, webhook-signature). See also: webhook/payload, docs/WEBHOOKS.md.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import type { Vault } from '../config/vault.ts'

/** One secret. `until` is null for the current secret, and the end of use for an old one. */
export type WebhookSecret = { readonly secret: string; readonly until: number | null }

/** Old secrets sign for one more day, so that people have time to deploy the new one. */
const SECRET_ROTATION_MS = 86_400_000

const SECRET_PREFIX = 'whsec_'
/** Standard Webhooks: 24 to 64 bytes. */
const SECRET_BYTES = 32

const secretsSchema = z.array(z.object({ secret: z.string(), until: z.number().nullable() }))

/** Makes a random secret. The whole string is SendCloud's APP KEY; its base64 part is the key of Standard Webhooks. */
export function makeWebhookSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** The endpoint that secrets are encrypted for; they cannot be decrypted for another one. */
type EndpointIdentity = { readonly account: number; readonly endpointId: number }

const sealPurposeOf = ({ account, endpointId }: EndpointIdentity): string => `webhook:${account}/${endpointId}`

/** Encrypts the secrets of an endpoint. */
export function encryptSecrets(vault: Vault, endpoint: EndpointIdentity, secrets: readonly WebhookSecret[]): Uint8Array {
  return vault.encrypt(Buffer.from(JSON.stringify(secrets)), sealPurposeOf(endpoint))
}

/** Decrypts the secrets that are valid now, the current one first. Faults: internal (encrypted with another master key). */
export function decryptSecrets(
  vault: Vault,
  endpoint: EndpointIdentity & { readonly sealedKey: Uint8Array },
  now: number,
): readonly WebhookSecret[] {
  const secrets = secretsSchema.parse(JSON.parse(vault.decrypt(endpoint.sealedKey, sealPurposeOf(endpoint)).toString('utf8')))
  return secrets
    .filter(({ until }) => until === null || until > now)
    .toSorted((a, b) => Number(a.until !== null) - Number(b.until !== null))
}

/** Limits the length of the signature header of an account that rotates often. */
const MAX_OLD_SECRETS = 4

/** Returns the secrets after a rotation: a new one, the current one for one more day, and the older ones until they expire. */
export function rotateSecrets(secrets: readonly WebhookSecret[], now: number): readonly WebhookSecret[] {
  const old = secrets.map(({ secret, until }) => ({ secret, until: until ?? now + SECRET_ROTATION_MS }))
  const remaining = old.filter(({ until }) => until > now).toSorted((a, b) => b.until - a.until)
  return [{ secret: makeWebhookSecret(), until: null }, ...remaining.slice(0, MAX_OLD_SECRETS)]
}

/** The ID of an event for one endpoint; the same for every attempt. Pure. */
export function webhookIdOf(eventId: string, { account, endpointId }: EndpointIdentity): string {
  return `msg_${createHash('sha256').update(`${eventId}/${account}/${endpointId}`).digest('base64url').slice(0, 32)}`
}

const TOKEN_ALPHABET = 'abcdefghijklmnopqrstuvwxyz012345'

/** Makes SendCloud's token: 50 random characters. */
export function makeWebhookToken(): string {
  return Array.from(randomBytes(50), (byte) => TOKEN_ALPHABET[byte & 31]).join('')
}

/** SendCloud's signature: hex HMAC-SHA256 of the timestamp in milliseconds and the token. Pure. */
export function signSendcloud(secret: string, timestamp: number, token: string): string {
  return createHmac('sha256', secret).update(`${timestamp}${token}`).digest('hex')
}

/** The three headers of Standard Webhooks, with one signature per secret. Pure. */
export function standardWebhooksHeaders(
  secrets: readonly WebhookSecret[],
  message: { readonly id: string; readonly at: number; readonly body: string },
): Readonly<Record<string, string>> {
  const { id, at, body } = message
  const signatures = secrets.map(({ secret }) => new Webhook(secret).sign(id, new Date(at), body))
  return { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1_000)), 'webhook-signature': signatures.join(' ') }
}
