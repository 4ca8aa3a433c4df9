/**
 * webhook-sender - one event to one endpoint: its fact is loaded, its body rendered and signed, and its answer judged
 *
 * An event whose fact is gone (retention), or that the endpoint no longer wants, is moot: nobody is asked.
 *
 * See also: service/notify/notifier (the lanes), webhook/payload, webhook/signature, net/http-post.
 */
import type { Answer, Poster } from '../../net/http-post.ts'
import { makeWebhookToken, openSecrets, signVendor, standardHeaders, webhookIdOf, type Secret } from '../../webhook/signature.ts'
import type { Vault } from '../../config/vault.ts'
import { bodyOf, eventOf, isOfItsUsers, type EventName, type WebhookBody } from '../../webhook/payload.ts'
import { writeBody } from '../../webhook/payload-format.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { findByDeliveryIds } from '../../store/mail/deliveries.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import { factsByKeyForOperator } from '../../store/facts/facts.ts'
import type { OutboxRow } from '../../store/webhook/outbox.ts'
import type { RouteBodies } from '../forward/forward-body.ts'
import type { Shop } from '../context.ts'

/** What was said and heard: for the record. `status` 0: no answer came. */
export type Said = {
  readonly event: EventName
  readonly emailId: string | null
  readonly at: number
  readonly status: number
  /** The first bytes of the answer, or why none came. */
  readonly answer: string
  readonly millis: number
}

/** `gone`: it wants to be asked no more. */
export type Asked = ({ readonly kind: 'heard' } & Said) | ({ readonly kind: 'refused' | 'gone'; readonly error: string } & Said)

/** Nobody was asked: there is nothing to say (`moot`), or what is to be said could not be read just now (`unread`). */
export type Sent = Asked | { readonly kind: 'moot' | 'unread' }

export type Sender = (endpoint: Endpoint, rows: readonly OutboxRow[]) => Promise<(row: OutboxRow) => Promise<Sent>>

export type SenderOptions = {
  readonly vault: Vault
  readonly poster: Poster
  readonly routeBodies: RouteBodies
}

/** Loads what a batch of one endpoint needs; the answer sends one of its rows and never throws. */
export function createSender(shop: Shop, { vault, poster, routeBodies }: SenderOptions): Sender {
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
      if (!isOfItsUsers(endpoint, delivery)) return { kind: 'moot' }
      const fields = fact.kind === 'route' ? await routeBodies(fact).catch((error: unknown) => unread(shop, row, error)) : {}
      if (fields === null) return { kind: 'moot' }
      if (fields === UNREAD) return UNREAD
      const at = shop.now()
      const answer = await poster.send(requestOf({ endpoint, secrets, event, fact, delivery, fields, at }))
      return judge(answer, { event, emailId: delivery?.emailId ?? null, at })
    }
  }
}

const UNREAD = { kind: 'unread' } as const

function unread({ telemetry }: Shop, { account, endpointId, eventId }: OutboxRow, error: unknown): typeof UNREAD {
  telemetry.log.warn({ account, endpointId, eventId, err: error }, 'a mail could not be read for its webhook; it is tried again')
  return UNREAD
}

type Message = {
  readonly endpoint: Endpoint
  readonly secrets: readonly Secret[]
  readonly event: EventName
  readonly fact: Fact
  readonly delivery: DeliveryRow | null
  /** What the fact itself does not hold. */
  readonly fields: WebhookBody
  readonly at: number
}

function requestOf({ endpoint, secrets, event, fact, delivery, fields, at }: Message): Parameters<Poster['send']>[0] {
  const token = makeWebhookToken()
  const signature = signVendor(secrets[0]?.secret ?? '', at, token)
  const body = { ...bodyOf(event, fact, delivery, { timestamp: at, token, signature }), ...fields }
  const written = writeBody(endpoint.format, { body, event, fact, delivery, at, key: secrets[0]?.secret ?? '' })
  const signed = standardHeaders(secrets, { id: webhookIdOf(fact.id, endpoint), at, body: written.text })
  const headers = { 'content-type': written.type, 'user-agent': 'bounced', ...written.headers, ...signed }
  return { url: endpoint.url, method: 'POST', headers, body: written.text }
}

/** 2xx is heard, 410 is gone (RFC 9110 §15.5.11), all else is refused. */
function judge({ status, text: answer, millis }: Answer, about: Pick<Said, 'event' | 'emailId' | 'at'>): Sent {
  const said = { ...about, status, answer, millis }
  if (status >= 200 && status < 300) return { kind: 'heard', ...said }
  const error = status === 0 ? answer : `HTTP ${status} ${answer}`.trim()
  return { kind: status === 410 ? 'gone' : 'refused', error, ...said }
}
