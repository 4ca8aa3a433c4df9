/**
 * signature - how a receiver knows that a webhook is ours: the vendor's signature and Standard Webhooks, side by side
 *
 * The vendor signs a timestamp and a random token, and not the body; so the body is signed as well, with an id that stays the same over
 * retries. While a secret is being changed, the body is signed with the new and the old ones; the vendor's scheme knows one, the new.
 *
 * Standard Webhooks 1.0 (whsec_, webhook-id, webhook-timestamp, webhook-signature). See also: webhook/payload, docs/WEBHOOKS.md.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import type { Vault } from '../config/vault.ts'

/** One secret as its account sees it; `until` null: the one in force. */
export type WebhookSecret = { readonly secret: string; readonly until: number | null }

/** Old secrets go on signing for a day: receivers are deployed by people. */
export const SECRET_ROTATION_MS = 86_400_000

const SECRET_PREFIX = 'whsec_'
/** Standard Webhooks: 24 to 64 bytes. */
const SECRET_BYTES = 32

const secretsSchema = z.array(z.object({ secret: z.string(), until: z.number().nullable() }))

/** A new secret. It is the vendor's APP KEY as it stands, and by its base64 the key of Standard Webhooks. */
export function makeWebhookSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** Whose secrets a seal holds: another endpoint's seal does not open. */
export type EndpointIdentity = { readonly account: number; readonly endpointId: number }

const sealPurposeOf = ({ account, endpointId }: EndpointIdentity): string => `webhook:${account}/${endpointId}`

export function encryptSecrets(vault: Vault, endpoint: EndpointIdentity, secrets: readonly WebhookSecret[]): Uint8Array {
  return vault.encrypt(Buffer.from(JSON.stringify(secrets)), sealPurposeOf(endpoint))
}

/** The secrets that sign now, the one in force first. Faults: internal, when the master key is another one. */
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

/** Who changes his secret over and over must not make a header without end. */
const MAX_OLD_SECRETS = 4

/** The secrets after a change: the one in force for a day more, those that were changed before it for the rest of theirs. */
export function rotateSecrets(secrets: readonly WebhookSecret[], now: number): readonly WebhookSecret[] {
  const old = secrets.map(({ secret, until }) => ({ secret, until: until ?? now + SECRET_ROTATION_MS }))
  const remaining = old.filter(({ until }) => until > now).toSorted((a, b) => b.until - a.until)
  return [{ secret: makeWebhookSecret(), until: null }, ...remaining.slice(0, MAX_OLD_SECRETS)]
}

/** The same for the same event at the same endpoint, however often it is sent. */
export function webhookIdOf(eventId: string, { account, endpointId }: EndpointIdentity): string {
  return `msg_${createHash('sha256').update(`${eventId}/${account}/${endpointId}`).digest('base64url').slice(0, 32)}`
}

const TOKEN_ALPHABET = 'abcdefghijklmnopqrstuvwxyz012345'

/** The vendor's token: 50 random characters. */
export function makeWebhookToken(): string {
  return Array.from(randomBytes(50), (byte) => TOKEN_ALPHABET[byte & 31]).join('')
}

/** The vendor's signature: hex HMAC-SHA256 of the timestamp in milliseconds and the token. Pure. */
export function signSendcloud(secret: string, timestamp: number, token: string): string {
  return createHmac('sha256', secret).update(`${timestamp}${token}`).digest('hex')
}

/** The three headers of Standard Webhooks, one signature for each secret. Pure. */
export function standardWebhooksHeaders(
  secrets: readonly WebhookSecret[],
  message: { readonly id: string; readonly at: number; readonly body: string },
): Readonly<Record<string, string>> {
  const { id, at, body } = message
  const signatures = secrets.map(({ secret }) => new Webhook(secret).sign(id, new Date(at), body))
  return { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1_000)), 'webhook-signature': signatures.join(' ') }
}
