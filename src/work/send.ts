/**
 * send - one event to one endpoint: its fact is loaded, its body rendered and signed, and its answer judged
 *
 * An event whose fact is gone (retention), or that the endpoint no longer wants, is moot: nobody is asked.
 *
 * See also: work/notify (the lanes), edge/webhookbody, edge/signature, edge/post.
 */
import type { Answer, Poster } from '../edge/post.ts'
import { makeWebhookToken, openSecrets, signVendor, standardHeaders, webhookIdOf, type Secret } from '../edge/signature.ts'
import type { Vault } from '../edge/vault.ts'
import { bodyOf, eventOf, writeBody, type EventName } from '../edge/webhookbody.ts'
import type { Fact } from '../ledger/fact.ts'
import type { DeliveryRow } from '../ledger/world.ts'
import { findByDeliveryIds } from '../store/deliveries.ts'
import type { Endpoint } from '../store/endpoints.ts'
import { factsByKeyForOperator } from '../store/facts.ts'
import type { OutboxRow } from '../store/outbox.ts'
import type { Shop } from './shop.ts'

/** `gone`: it wants to be asked no more. */
export type Sent =
  | { readonly kind: 'heard'; readonly millis: number }
  | { readonly kind: 'refused' | 'gone'; readonly error: string; readonly millis: number }
  | { readonly kind: 'moot' }

export type Sender = (endpoint: Endpoint, rows: readonly OutboxRow[]) => Promise<(row: OutboxRow) => Promise<Sent>>

type SenderOptions = { readonly vault: Vault; readonly poster: Poster }

/** Loads what a batch of one endpoint needs; the answer sends one of its rows and never throws. */
export function createSender(shop: Shop, { vault, poster }: SenderOptions): Sender {
  return async (endpoint, rows) => {
    const { read } = shop.engine
    const facts = new Map((await factsByKeyForOperator(read, rows)).map((fact) => [fact.id, fact]))
    const ids = [...facts.values()].flatMap(({ deliveryId }) => deliveryId ?? [])
    const deliveries = new Map((await findByDeliveryIds(read, endpoint.account, ids)).map((row) => [row.deliveryId, row]))
    const secrets = openSecrets(vault, endpoint, shop.now())
    return async (row) => {
      const fact = facts.get(row.eventId)
      const event = fact === undefined ? null : eventOf(fact)
      if (fact === undefined || event === null || !endpoint.events.includes(event)) return { kind: 'moot' }
      const delivery = deliveries.get(fact.deliveryId ?? '') ?? null
      return judge(await poster.send(requestOf({ endpoint, secrets, event, fact, delivery, at: shop.now() })))
    }
  }
}

type Message = {
  readonly endpoint: Endpoint
  readonly secrets: readonly Secret[]
  readonly event: EventName
  readonly fact: Fact
  readonly delivery: DeliveryRow | null
  readonly at: number
}

function requestOf({ endpoint, secrets, event, fact, delivery, at }: Message): Parameters<Poster['send']>[0] {
  const token = makeWebhookToken()
  const signature = signVendor(secrets[0]?.secret ?? '', at, token)
  const body = bodyOf(event, fact, delivery, { timestamp: at, token, signature })
  const { type, text } = writeBody(body, endpoint.format === 'json' ? 'json' : 'form')
  const signed = standardHeaders(secrets, { id: webhookIdOf(fact.id, endpoint), at, body: text })
  return { url: endpoint.url, method: 'POST', headers: { 'content-type': type, 'user-agent': 'bounced', ...signed }, body: text }
}

/** 2xx is heard, 410 is gone (RFC 9110 §15.5.11), all else is refused. */
function judge({ status, text, millis }: Answer): Sent {
  if (status >= 200 && status < 300) return { kind: 'heard', millis }
  const error = status === 0 ? text : `HTTP ${status} ${text}`.trim()
  return { kind: status === 410 ? 'gone' : 'refused', error, millis }
}
