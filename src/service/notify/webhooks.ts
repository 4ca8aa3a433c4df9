/**
 * webhooks - what an account may do with its endpoints: add, change, remove, replay, look at what waits
 *
 * A secret is shown when it is made and lies sealed. A target is refused when it is set, and looked at again whenever it is called.
 *
 * See also: service/notify/notifier (who sends), http/api/webhooks and http/sendcloud/webhooks (the doors).
 */
import { makeWebhookSecret, decryptSecrets, rotateSecrets, encryptSecrets } from '../../webhook/signature.ts'
import type { RetryScheduleName } from '../../webhook/retry-schedule.ts'
import type { HttpClient } from '../../net/http-post.ts'
import type { SsrfGuard } from '../../net/ssrf-guard.ts'
import type { Vault } from '../../config/vault.ts'
import type { WebhookEventName } from '../../webhook/payload.ts'
import type { PayloadFormat } from '../../webhook/payload-format.ts'
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
import type { Database, DatabaseReader } from '../../store/engine/engine.ts'
import { listOutbox, requeueFailedOutbox, type EndpointRef, type OutboxRow } from '../../store/webhook/outbox.ts'
import {
  listWebhookRecords,
  findWebhookRecordsForOperator,
  requeueWebhookRecords,
  type WebhookRecordFilters,
  type WebhookRecord,
} from '../../store/webhook/attempts.ts'
import { replayEvents, type ReplayResult, type ReplayRequest } from './webhook-replay.ts'
import type { Context } from '../context.ts'

export type EndpointConfig = {
  readonly url: string
  readonly name: string
  readonly events: readonly WebhookEventName[]
  /** Hears of these API users' mails alone; empty: of all. */
  readonly apiUsers: readonly string[]
  readonly format: PayloadFormat
  readonly ladder: RetryScheduleName
}

/** `rotate`: a new secret; the old one signs beside it for a day. `unchangedSince`: as the asker knows it. What is left out stays. */
export type EndpointChange = Partial<EndpointConfig> & {
  readonly enabled?: boolean
  readonly rotate?: boolean
  readonly unchangedSince?: number
}

/** `secret` null: it stays as it was told before. */
export type EndpointWithSecret = { readonly endpoint: Endpoint; readonly secret: string | null }

export type WebhookService = {
  readonly list: (account: number) => Promise<readonly Endpoint[]>
  /** Faults: bad_request (the target), conflict (the URL is there, or there are too many). */
  readonly add: (account: number, input: EndpointConfig) => Promise<EndpointWithSecret>
  /** Faults: bad_request, conflict, not_found, precondition_failed (it was changed since). */
  readonly change: (account: number, endpointId: number, change: EndpointChange) => Promise<EndpointWithSecret>
  /** Removes it with what waits for it; false where it was not there. */
  readonly remove: (account: number, endpointId: number) => Promise<boolean>
  /** Events wait again, those that were heard too unless `onlyFailed`, so many a call. Faults: not_found, bad_request. */
  readonly replay: (account: number, endpointId: number, input: ReplayRequest) => Promise<ReplayResult>
  /** Sends one event again; false where it waits already. Faults: not_found. */
  readonly resend: (account: number, endpointId: number, eventId: string) => Promise<boolean>
  /** What was said and heard, newest first; `after` is the id of an event. Faults: not_found (the endpoint). */
  readonly records: (account: number, endpointId: number, input: RecordQuery) => Promise<readonly WebhookRecord[]>
  /** One of them, or null. */
  readonly record: (account: number, endpointId: number, eventId: string) => Promise<WebhookRecord | null>
  /** What waits or has failed, oldest first. Faults: not_found. */
  readonly pending: (account: number, endpointId: number, limit: number) => Promise<readonly OutboxRow[]>
  /** Whether a URL answers 200 to GET and to POST; what may not be called does not. */
  readonly isResponding: (url: string) => Promise<boolean>
}

export type RecordQuery = { readonly filters: WebhookRecordFilters; readonly limit: number; readonly after: string | null }

export type WebhookServiceOptions = { readonly vault: Vault; readonly guard: SsrfGuard; readonly poster: HttpClient }

/** Each event is written once an endpoint: twenty serve every consumer that an account has. */
const MAX_ENDPOINTS = 20

export function createWebhookService(context: Context, { vault, guard, poster }: WebhookServiceOptions): WebhookService {
  const { engine, now } = context
  const findOrFail = async (db: DatabaseReader, account: number, endpointId: number): Promise<Endpoint> => {
    const found = await findEndpoint(db, account, endpointId)
    if (found === null) throw new Fault('not_found', 'there is no such endpoint')
    return found
  }
  return {
    list: (account) => listEndpointsOfAccounts(engine.read, [account]),
    add: async (account, input) => {
      const url = (await guard.checkUrl(input.url)).href
      const secret = makeWebhookSecret()
      const endpoint = await engine.tx((db) => insertEndpoint(db, { ...input, url, account }, { vault, secret, now: now() }))
      return { endpoint, secret }
    },
    change: async (account, endpointId, { rotate = false, unchangedSince, ...change }) => {
      const url = change.url === undefined ? null : (await guard.checkUrl(change.url)).href
      return engine.tx(async (db) => {
        const old = await findOrFail(db, account, endpointId)
        if (unchangedSince !== undefined && unchangedSince !== old.updatedAt)
          throw new Fault('precondition_failed', 'the endpoint has changed meanwhile: read it again')
        if (url !== null && url !== old.url) rejectDuplicateUrl(await listEndpointsOfAccounts(db, [account]), url)
        const changed: Endpoint = { ...old, ...change, ...(url === null ? {} : { url }), updatedAt: Math.max(now(), old.updatedAt + 1) }
        const secrets = rotate ? rotateSecrets(decryptSecrets(vault, old, now()), now()) : null
        const endpoint = secrets === null ? changed : { ...changed, sealedKey: encryptSecrets(vault, old, secrets) }
        await saveEndpoint(db, endpoint)
        return { endpoint, secret: secrets?.[0]?.secret ?? null }
      })
    },
    remove: (account, endpointId) => removeWebhook(context, { account, endpointId }),
    replay: async (account, endpointId, input) => {
      await findOrFail(engine.read, account, endpointId)
      return replayEvents(context, { account, endpointId }, input)
    },
    resend: async (account, endpointId, eventId) =>
      engine.tx(async (db) => {
        const [found] = await findWebhookRecordsForOperator(db, [{ account, endpointId, eventId }])
        if (found === undefined) throw new Fault('not_found', 'there is no record of this event')
        const failed = await requeueFailedOutbox(db, { account, endpointId }, { eventIds: [eventId], dueAt: now() })
        return failed > 0 || (await requeueWebhookRecords(db, [found], now())) > 0
      }),
    records: async (account, endpointId, { filters, ...page }) => {
      await findOrFail(engine.read, account, endpointId)
      return listWebhookRecords(engine.read, { account, endpointId }, filters, page)
    },
    record: async (account, endpointId, eventId) =>
      (await findWebhookRecordsForOperator(engine.read, [{ account, endpointId, eventId }]))[0] ?? null,
    pending: async (account, endpointId, limit) => {
      await findOrFail(engine.read, account, endpointId)
      return listOutbox(engine.read, account, endpointId, limit)
    },
    isResponding: async (url) => {
      for (const method of ['GET', 'POST'] as const) {
        const body = method === 'GET' ? null : 'event=test'
        const headers = { 'user-agent': 'bounced', ...(body === null ? {} : { 'content-type': 'application/x-www-form-urlencoded' }) }
        if ((await poster.send({ url, method, headers, body })).status !== 200) return false
      }
      return true
    },
  }
}

/** Rows that one transaction removes: a long one would hold the writer. */
const PAGE_SIZE = 1_000

/** It is switched off first, so that nothing new comes, then emptied; where that is cut short it is there still, and is removed by the next try. */
async function removeWebhook({ engine, now }: Context, { account, endpointId }: EndpointRef): Promise<boolean> {
  const exists = await engine.tx(async (db) => {
    const found = await findEndpoint(db, account, endpointId)
    if (found?.enabled === true) await saveEndpoint(db, { ...found, enabled: false, updatedAt: Math.max(now(), found.updatedAt + 1) })
    return found !== null
  })
  if (!exists) return false
  while (await engine.tx((db) => clearEndpointHistory(db, account, endpointId, PAGE_SIZE)));
  return engine.tx((db) => removeEndpoint(db, account, endpointId))
}

type NewSecret = { readonly vault: Vault; readonly secret: string; readonly now: number }

async function insertEndpoint(
  db: Database,
  input: EndpointConfig & { readonly account: number },
  { vault, secret, now }: NewSecret,
): Promise<Endpoint> {
  const existing = await listEndpointsOfAccounts(db, [input.account])
  rejectDuplicateUrl(existing, input.url)
  if (existing.length >= MAX_ENDPOINTS) throw new Fault('conflict', `an account has at most ${MAX_ENDPOINTS} endpoints`)
  const made = await addEndpoint(db, { ...input, sealedKey: Buffer.alloc(0), enabled: true, createdAt: now, updatedAt: now })
  // Its number is part of its seal.
  const endpoint = { ...made, sealedKey: encryptSecrets(vault, made, [{ secret, until: null }]) }
  await saveEndpoint(db, endpoint)
  return endpoint
}

function rejectDuplicateUrl(existing: readonly Endpoint[], url: string): void {
  if (existing.some((each) => each.url === url)) throw new Fault('conflict', 'an endpoint with this URL is there already')
}
