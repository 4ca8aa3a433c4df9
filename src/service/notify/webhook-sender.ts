/**
 * webhook-sender - sends one webhook event to one endpoint
 *
 * Loads the fact, builds and signs the payload, sends it and evaluates the response. An event whose fact was removed by retention, or that the
 * endpoint does not subscribe to any more, is `moot`: no request is made.
 *
 * See also: service/notify/notifier (lanes), webhook/payload, webhook/signature, net/http-post.
 */
import type { HttpResponse, HttpClient } from '../../net/http-post.ts'
import {
  makeWebhookToken,
  decryptSecrets,
  signSendcloud,
  standardWebhooksHeaders,
  webhookIdOf,
  type WebhookSecret,
} from '../../webhook/signature.ts'
import type { Vault } from '../../config/vault.ts'
import { buildPayload, webhookEventOf, isSubscribedToApiUser, type WebhookEventName, type WebhookPayload } from '../../webhook/payload.ts'
import { formatPayload } from '../../webhook/payload-format.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { findDeliveriesByIds } from '../../store/mail/deliveries.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import { findFactsByKeyForOperator } from '../../store/facts/facts.ts'
import type { OutboxRow } from '../../store/webhook/outbox.ts'
import type { ForwardBodies } from '../forward/forward-body.ts'
import type { Context } from '../context.ts'

/** One request and its response. `status` 0: there was no response. The names are those of the stored record. */
export type WebhookAttempt = {
  readonly event: WebhookEventName
  readonly emailId: string | null
  readonly at: number
  readonly status: number
  /** The first bytes of the response, or why there is none. */
  readonly answer: string
  readonly millis: number
}

/** `heard`: delivered. `gone`: the endpoint asks for no more requests. */
export type AttemptedSend =
  | ({ readonly kind: 'heard' } & WebhookAttempt)
  | ({ readonly kind: 'refused' | 'gone'; readonly error: string } & WebhookAttempt)

/** Without a request: there is nothing to send (`moot`), or the payload cannot be read at present (`unread`). */
export type SendResult = AttemptedSend | { readonly kind: 'moot' | 'unread' }

type WebhookSender = (endpoint: Endpoint, rows: readonly OutboxRow[]) => Promise<(row: OutboxRow) => Promise<SendResult>>

export type WebhookSenderOptions = {
  readonly vault: Vault
  readonly poster: HttpClient
  readonly forwardBodies: ForwardBodies
}

/** Loads what a batch of one endpoint needs. Resolves to a function that sends one event of the batch and never rejects. */
export function createWebhookSender(context: Context, { vault, poster, forwardBodies }: WebhookSenderOptions): WebhookSender {
  return async (endpoint, rows) => {
    const { read } = context.engine
    const facts = new Map((await findFactsByKeyForOperator(read, rows)).map((fact) => [fact.id, fact]))
    const ids = [...facts.values()].flatMap(({ deliveryId }) => deliveryId ?? [])
    const deliveries = new Map((await findDeliveriesByIds(read, endpoint.account, ids)).map((row) => [row.deliveryId, row]))
    const secrets = decryptSecrets(vault, endpoint, context.now())
    return async (row) => {
      const fact = facts.get(row.eventId)
      const event = fact === undefined ? null : webhookEventOf(fact)
      if (fact === undefined || event === null || !endpoint.events.includes(event)) return { kind: 'moot' }
      const delivery = deliveries.get(fact.deliveryId ?? '') ?? null
      if (!isSubscribedToApiUser(endpoint, delivery)) return { kind: 'moot' }
      const fields = fact.kind === 'route' ? await forwardBodies(fact).catch((error: unknown) => logUnread(context, row, error)) : {}
      if (fields === null) return { kind: 'moot' }
      if (fields === UNREAD) return UNREAD
      const at = context.now()
      const request = webhookRequestOf({ endpoint, secrets, event, fact, delivery, fields, at })
      if (request === null) return { kind: 'moot' }
      const response = await poster.send(request)
      context.telemetry.trace.publish('webhook.attempted', { deliveryId: fact.deliveryId, domains: [delivery?.domain ?? null] }, () => ({
        event,
        endpoint: endpoint.endpointId,
        eventId: fact.id,
        attempt: row.attempts,
        status: response.status,
        error: response.status >= 200 && response.status < 300 ? null : response.text,
        milliseconds: Math.round(response.durationMs),
      }))
      return judgeResponse(response, { event, emailId: delivery?.emailId ?? null, at })
    }
  }
}

const UNREAD = { kind: 'unread' } as const

function logUnread({ telemetry }: Context, { account, endpointId, eventId }: OutboxRow, error: unknown): typeof UNREAD {
  telemetry.log.warn({ account, endpointId, eventId, err: error }, 'forwarded mail could not be read for its webhook; it will be retried')
  return UNREAD
}

type WebhookMessage = {
  readonly endpoint: Endpoint
  readonly secrets: readonly WebhookSecret[]
  readonly event: WebhookEventName
  readonly fact: Fact
  readonly delivery: DeliveryRow | null
  /** Payload fields that the fact does not contain. */
  readonly fields: WebhookPayload
  readonly at: number
}

/** The signed request of one event; null: the endpoint's format has no word for it. */
export function webhookRequestOf({
  endpoint,
  secrets,
  event,
  fact,
  delivery,
  fields,
  at,
}: WebhookMessage): Parameters<HttpClient['send']>[0] | null {
  const token = makeWebhookToken()
  const secret = secrets[0]?.secret ?? ''
  const signature = signSendcloud(secret, at, token)
  const payload = { ...buildPayload(event, fact, delivery, { timestamp: at, token, signature }), ...fields }
  const formatted = formatPayload(endpoint.format, { payload, fields, event, fact, delivery, sentAt: at, secret })
  if (formatted === null) return null
  const signed = standardWebhooksHeaders(secrets, { id: webhookIdOf(fact.id, endpoint), at, body: formatted.body })
  const headers = { 'content-type': formatted.contentType, 'user-agent': 'bounced', ...formatted.headers, ...signed }
  return { url: endpoint.url, method: 'POST', headers, body: formatted.body }
}

/** 2xx means delivered, 410 means gone (RFC 9110 §15.5.11), everything else means refused. */
function judgeResponse(
  { status, text: response, durationMs: millis }: HttpResponse,
  about: Pick<WebhookAttempt, 'event' | 'emailId' | 'at'>,
): SendResult {
  const attempt = { ...about, status, answer: response, millis }
  if (status >= 200 && status < 300) return { kind: 'heard', ...attempt }
  const error = status === 0 ? response : `HTTP ${status} ${response}`.trim()
  return { kind: status === 410 ? 'gone' : 'refused', error, ...attempt }
}
