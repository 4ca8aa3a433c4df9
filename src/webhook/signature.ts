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
export type Secret = { readonly secret: string; readonly until: number | null }

/** Old secrets go on signing for a day: receivers are deployed by people. */
export const SECRET_ROTATION_MS = 86_400_000

const PREFIX = 'whsec_'
/** Standard Webhooks: 24 to 64 bytes. */
const SECRET_BYTES = 32

const sealedSchema = z.array(z.object({ secret: z.string(), until: z.number().nullable() }))

/** A new secret. It is the vendor's APP KEY as it stands, and by its base64 the key of Standard Webhooks. */
export function makeWebhookSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** Whose secrets a seal holds: another endpoint's seal does not open. */
export type Holder = { readonly account: number; readonly endpointId: number }

const purposeOf = ({ account, endpointId }: Holder): string => `webhook:${account}/${endpointId}`

export function sealSecrets(vault: Vault, holder: Holder, secrets: readonly Secret[]): Uint8Array {
  return vault.seal(Buffer.from(JSON.stringify(secrets)), purposeOf(holder))
}

/** The secrets that sign now, the one in force first. Faults: internal, when the master key is another one. */
export function openSecrets(vault: Vault, holder: Holder & { readonly sealedKey: Uint8Array }, now: number): readonly Secret[] {
  const secrets = sealedSchema.parse(JSON.parse(vault.open(holder.sealedKey, purposeOf(holder)).toString('utf8')))
  return secrets
    .filter(({ until }) => until === null || until > now)
    .toSorted((a, b) => Number(a.until !== null) - Number(b.until !== null))
}

/** Who changes his secret over and over must not make a header without end. */
const MAX_OLD = 4

/** The secrets after a change: the one in force for a day more, those that were changed before it for the rest of theirs. */
export function rotateSecrets(secrets: readonly Secret[], now: number): readonly Secret[] {
  const old = secrets.map(({ secret, until }) => ({ secret, until: until ?? now + SECRET_ROTATION_MS }))
  const kept = old.filter(({ until }) => until > now).toSorted((a, b) => b.until - a.until)
  return [{ secret: makeWebhookSecret(), until: null }, ...kept.slice(0, MAX_OLD)]
}

/** The same for the same event at the same endpoint, however often it is sent. */
export function webhookIdOf(eventId: string, { account, endpointId }: Holder): string {
  return `msg_${createHash('sha256').update(`${eventId}/${account}/${endpointId}`).digest('base64url').slice(0, 32)}`
}

const TOKEN_LETTERS = 'abcdefghijklmnopqrstuvwxyz012345'

/** The vendor's token: 50 random characters. */
export function makeWebhookToken(): string {
  return Array.from(randomBytes(50), (byte) => TOKEN_LETTERS[byte & 31]).join('')
}

/** The vendor's signature: hex HMAC-SHA256 of the timestamp in milliseconds and the token. Pure. */
export function signVendor(secret: string, timestamp: number, token: string): string {
  return createHmac('sha256', secret).update(`${timestamp}${token}`).digest('hex')
}

/** The three headers of Standard Webhooks, one signature for each secret. Pure. */
export function standardHeaders(
  secrets: readonly Secret[],
  message: { readonly id: string; readonly at: number; readonly body: string },
): Readonly<Record<string, string>> {
  const { id, at, body } = message
  const signatures = secrets.map(({ secret }) => new Webhook(secret).sign(id, new Date(at), body))
  return { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1_000)), 'webhook-signature': signatures.join(' ') }
}
