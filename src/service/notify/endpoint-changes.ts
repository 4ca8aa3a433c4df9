/**
 * endpoint-changes - inserts, changes and removes webhook endpoints
 *
 * See also: service/notify/webhooks (checks the URL first), store/webhook/endpoints, webhook/signature (secrets).
 */
import { decryptSecrets, rotateSecrets, encryptSecrets } from '../../webhook/signature.ts'
import type { RetryScheduleName } from '../../webhook/retry-schedule.ts'
import type { Vault } from '../../config/vault.ts'
import { WEBHOOK_EVENT_NAMES, type WebhookEventName } from '../../webhook/payload.ts'
import { hasWordFor, type PayloadFormat } from '../../webhook/payload-format.ts'
import { Fault } from '../../errors.ts'
import {
  addEndpoint,
  clearEndpointHistory,
  listEndpointsOfAccounts,
  findEndpoint,
  removeEndpoint,
  saveEndpoint,
  type Endpoint,
} from '../../store/webhook/endpoints.ts'
import type { Database } from '../../store/engine/engine.ts'
import type { EndpointRef } from '../../store/webhook/outbox.ts'
import type { Context } from '../context.ts'

export type EndpointConfig = {
  readonly url: string
  readonly name: string
  readonly events: readonly WebhookEventName[]
  /** Only events about messages of these API users are sent; if empty, events of all. */
  readonly apiUsers: readonly string[]
  readonly format: PayloadFormat
  readonly ladder: RetryScheduleName
}

/** Fields that are left out stay as they are. */
export type EndpointChange = Partial<EndpointConfig> & {
  readonly enabled?: boolean
  /** Generates a new secret. The old one also signs for another day. */
  readonly rotate?: boolean
  /** The `updatedAt` that the client read: if the endpoint has changed since, the call fails. */
  readonly unchangedSince?: number
}

/** Each event is stored once for each endpoint. Twenty endpoints are enough for the consumers of one account. */
const MAX_ENDPOINTS = 20

/** Rows that one transaction removes: a long transaction would block other writes. */
const PAGE_SIZE = 1_000

/** Inserts an endpoint. Faults: bad_request (its format has no word for any of its events), conflict (the URL is taken, or too many endpoints). */
export async function insertEndpoint(
  db: Database,
  config: EndpointConfig & { readonly account: number },
  { vault, secret, now }: { readonly vault: Vault; readonly secret: string; readonly now: number },
): Promise<Endpoint> {
  requireWord(config)
  const existing = await listEndpointsOfAccounts(db, [config.account])
  rejectDuplicateUrl(existing, config.url)
  if (existing.length >= MAX_ENDPOINTS) throw new Fault('conflict', `an account has at most ${MAX_ENDPOINTS} endpoints`)
  const made = await addEndpoint(db, { ...config, sealedKey: Buffer.alloc(0), enabled: true, createdAt: now, updatedAt: now })
  // The secret is encrypted for the number of its endpoint, which exists only now.
  const endpoint = { ...made, sealedKey: encryptSecrets(vault, made, [{ secret, until: null }]) }
  await saveEndpoint(db, endpoint)
  return endpoint
}

/** Saves a change. `secret` is the new secret, or null. Faults: bad_request (as when it is added), precondition_failed, conflict (the URL is taken). */
export async function changeEndpoint(
  db: Database,
  old: Endpoint,
  { rotate = false, unchangedSince, ...change }: EndpointChange,
  { vault, now }: { readonly vault: Vault; readonly now: number },
): Promise<{ readonly endpoint: Endpoint; readonly secret: string | null }> {
  if (unchangedSince !== undefined && unchangedSince !== old.updatedAt)
    throw new Fault('precondition_failed', 'the endpoint has changed since you read it: read it again')
  if (change.url !== undefined && change.url !== old.url) rejectDuplicateUrl(await listEndpointsOfAccounts(db, [old.account]), change.url)
  const changed: Endpoint = { ...old, ...change, updatedAt: Math.max(now, old.updatedAt + 1) }
  if (change.events !== undefined || change.format !== undefined) requireWord(changed)
  const secrets = rotate ? rotateSecrets(decryptSecrets(vault, old, now), now) : null
  const endpoint = secrets === null ? changed : { ...changed, sealedKey: encryptSecrets(vault, old, secrets) }
  await saveEndpoint(db, endpoint)
  return { endpoint, secret: secrets?.[0]?.secret ?? null }
}

/** Stored events may have names that this version does not know. Faults: bad_request. */
function requireWord({ format, events }: Pick<Endpoint, 'format' | 'events'>): void {
  const known = WEBHOOK_EVENT_NAMES.filter((name) => events.includes(name))
  if (!known.some((name) => hasWordFor(format, name)))
    throw new Fault('bad_request', `the format ${format} has no word for these events: ${events.join(', ')}`)
}

function rejectDuplicateUrl(existing: readonly Endpoint[], url: string): void {
  if (existing.some((each) => each.url === url)) throw new Fault('conflict', 'there is already an endpoint with this URL')
}

/**
 * Removes an endpoint. Disables it first, so that no new events arrive, then removes its events page by page. If the removal is interrupted,
 * the endpoint stays disabled, and a second call completes it. Resolves to false if there is no such endpoint. Faults: store_busy.
 */
export async function removeWebhook({ engine, now }: Context, { account, endpointId }: EndpointRef): Promise<boolean> {
  const exists = await engine.tx(async (db) => {
    const found = await findEndpoint(db, account, endpointId)
    if (found?.enabled === true) await saveEndpoint(db, { ...found, enabled: false, updatedAt: Math.max(now(), found.updatedAt + 1) })
    return found !== null
  })
  if (!exists) return false
  while (await engine.tx((db) => clearEndpointHistory(db, account, endpointId, PAGE_SIZE)));
  return engine.tx((db) => removeEndpoint(db, account, endpointId))
}
