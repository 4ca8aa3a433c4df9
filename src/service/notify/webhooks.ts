/**
 * webhooks - what an account may do with its endpoints: add, change, remove, replay, look at what waits
 *
 * A secret is shown when it is made and lies sealed. A target is refused when it is set, and looked at again whenever it is called.
 *
 * See also: service/notify/notifier (who sends), http/api/webhooks and http/sendcloud/webhooks (the doors).
 */
import { makeWebhookSecret, openSecrets, rotateSecrets, sealSecrets } from '../../webhook/signature.ts'
import type { LadderName } from '../../webhook/retry-schedule.ts'
import type { Poster } from '../../net/http-post.ts'
import type { TargetGuard } from '../../net/ssrf-guard.ts'
import type { Vault } from '../../config/vault.ts'
import type { EventName } from '../../webhook/payload.ts'
import type { BodyFormat } from '../../webhook/payload-format.ts'
import { Fault } from '../../errors.ts'
import {
  addEndpoint,
  clearEndpoint,
  endpointsOf,
  findEndpoint,
  removeEndpoint,
  saveEndpoint,
  type Endpoint,
} from '../../store/webhook/endpoints.ts'
import type { Db, Reader } from '../../store/engine/engine.ts'
import { listOutbox, replayOutbox, type EndpointRef, type OutboxRow } from '../../store/webhook/outbox.ts'
import {
  pageRecords,
  recordsByKeyForOperator,
  resendRecords,
  type RecordFilters,
  type WebhookRecord,
} from '../../store/webhook/attempts.ts'
import { replayEvents, type Replayed, type ReplayWish } from './webhook-replay.ts'
import type { Shop } from '../context.ts'

export type WebhookWish = {
  readonly url: string
  readonly name: string
  readonly events: readonly EventName[]
  /** Hears of these API users' mails alone; empty: of all. */
  readonly apiUsers: readonly string[]
  readonly format: BodyFormat
  readonly ladder: LadderName
}

/** `rotate`: a new secret; the old one signs beside it for a day. `unchangedSince`: as the asker knows it. What is left out stays. */
export type WebhookChange = Partial<WebhookWish> & {
  readonly enabled?: boolean
  readonly rotate?: boolean
  readonly unchangedSince?: number
}

/** `secret` null: it stays as it was told before. */
export type WebhookTold = { readonly endpoint: Endpoint; readonly secret: string | null }

export type Webhooks = {
  readonly list: (account: number) => Promise<readonly Endpoint[]>
  /** Faults: bad_request (the target), conflict (the URL is there, or there are too many). */
  readonly add: (account: number, wish: WebhookWish) => Promise<WebhookTold>
  /** Faults: bad_request, conflict, not_found, precondition_failed (it was changed since). */
  readonly change: (account: number, endpointId: number, change: WebhookChange) => Promise<WebhookTold>
  /** Removes it with what waits for it; false where it was not there. */
  readonly remove: (account: number, endpointId: number) => Promise<boolean>
  /** Events wait again, those that were heard too unless `onlyFailed`, so many a call. Faults: not_found, bad_request. */
  readonly replay: (account: number, endpointId: number, wish: ReplayWish) => Promise<Replayed>
  /** Sends one event again; false where it waits already. Faults: not_found. */
  readonly resend: (account: number, endpointId: number, eventId: string) => Promise<boolean>
  /** What was said and heard, newest first; `after` is the id of an event. Faults: not_found (the endpoint). */
  readonly records: (account: number, endpointId: number, wish: RecordWish) => Promise<readonly WebhookRecord[]>
  /** One of them, or null. */
  readonly record: (account: number, endpointId: number, eventId: string) => Promise<WebhookRecord | null>
  /** What waits or has failed, oldest first. Faults: not_found. */
  readonly waiting: (account: number, endpointId: number, limit: number) => Promise<readonly OutboxRow[]>
  /** Whether a URL answers 200 to GET and to POST; what may not be called does not. */
  readonly answers: (url: string) => Promise<boolean>
}

export type RecordWish = { readonly filters: RecordFilters; readonly limit: number; readonly after: string | null }

export type WebhookTools = { readonly vault: Vault; readonly guard: TargetGuard; readonly poster: Poster }

/** Each event is written once an endpoint: twenty serve every consumer that an account has. */
const MAX_ENDPOINTS = 20

export function createWebhooks(shop: Shop, { vault, guard, poster }: WebhookTools): Webhooks {
  const { engine, now } = shop
  const must = async (db: Reader, account: number, endpointId: number): Promise<Endpoint> => {
    const found = await findEndpoint(db, account, endpointId)
    if (found === null) throw new Fault('not_found', 'there is no such endpoint')
    return found
  }
  return {
    list: (account) => endpointsOf(engine.read, [account]),
    add: async (account, wish) => {
      const url = (await guard.check(wish.url)).href
      const secret = makeWebhookSecret()
      const endpoint = await engine.tx((db) => addTo(db, { ...wish, url, account }, { vault, secret, now: now() }))
      return { endpoint, secret }
    },
    change: async (account, endpointId, { rotate = false, unchangedSince, ...change }) => {
      const url = change.url === undefined ? null : (await guard.check(change.url)).href
      return engine.tx(async (db) => {
        const old = await must(db, account, endpointId)
        if (unchangedSince !== undefined && unchangedSince !== old.updatedAt)
          throw new Fault('precondition_failed', 'the endpoint has changed meanwhile: read it again')
        if (url !== null && url !== old.url) refuseTwice(await endpointsOf(db, [account]), url)
        const changed: Endpoint = { ...old, ...change, ...(url === null ? {} : { url }), updatedAt: Math.max(now(), old.updatedAt + 1) }
        const secrets = rotate ? rotateSecrets(openSecrets(vault, old, now()), now()) : null
        const endpoint = secrets === null ? changed : { ...changed, sealedKey: sealSecrets(vault, old, secrets) }
        await saveEndpoint(db, endpoint)
        return { endpoint, secret: secrets?.[0]?.secret ?? null }
      })
    },
    remove: (account, endpointId) => remove(shop, { account, endpointId }),
    replay: async (account, endpointId, wish) => {
      await must(engine.read, account, endpointId)
      return replayEvents(shop, { account, endpointId }, wish)
    },
    resend: async (account, endpointId, eventId) =>
      engine.tx(async (db) => {
        const [found] = await recordsByKeyForOperator(db, [{ account, endpointId, eventId }])
        if (found === undefined) throw new Fault('not_found', 'there is no record of this event')
        const failed = await replayOutbox(db, { account, endpointId }, { eventIds: [eventId], dueAt: now() })
        return failed > 0 || (await resendRecords(db, [found], now())) > 0
      }),
    records: async (account, endpointId, { filters, ...page }) => {
      await must(engine.read, account, endpointId)
      return pageRecords(engine.read, { account, endpointId }, filters, page)
    },
    record: async (account, endpointId, eventId) =>
      (await recordsByKeyForOperator(engine.read, [{ account, endpointId, eventId }]))[0] ?? null,
    waiting: async (account, endpointId, limit) => {
      await must(engine.read, account, endpointId)
      return listOutbox(engine.read, account, endpointId, limit)
    },
    answers: async (url) => {
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
const PAGE = 1_000

/** It is switched off first, so that nothing new comes, then emptied; where that is cut short it is there still, and is removed by the next try. */
async function remove({ engine, now }: Shop, { account, endpointId }: EndpointRef): Promise<boolean> {
  const isThere = await engine.tx(async (db) => {
    const found = await findEndpoint(db, account, endpointId)
    if (found?.enabled === true) await saveEndpoint(db, { ...found, enabled: false, updatedAt: Math.max(now(), found.updatedAt + 1) })
    return found !== null
  })
  if (!isThere) return false
  while (await engine.tx((db) => clearEndpoint(db, account, endpointId, PAGE)));
  return engine.tx((db) => removeEndpoint(db, account, endpointId))
}

type Making = { readonly vault: Vault; readonly secret: string; readonly now: number }

async function addTo(db: Db, wish: WebhookWish & { readonly account: number }, { vault, secret, now }: Making): Promise<Endpoint> {
  const there = await endpointsOf(db, [wish.account])
  refuseTwice(there, wish.url)
  if (there.length >= MAX_ENDPOINTS) throw new Fault('conflict', `an account has at most ${MAX_ENDPOINTS} endpoints`)
  const made = await addEndpoint(db, { ...wish, sealedKey: Buffer.alloc(0), enabled: true, createdAt: now, updatedAt: now })
  // Its number is part of its seal.
  const endpoint = { ...made, sealedKey: sealSecrets(vault, made, [{ secret, until: null }]) }
  await saveEndpoint(db, endpoint)
  return endpoint
}

function refuseTwice(there: readonly Endpoint[], url: string): void {
  if (there.some((each) => each.url === url)) throw new Fault('conflict', 'an endpoint with this URL is there already')
}
