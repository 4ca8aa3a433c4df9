/**
 * webhook-sender - one event to one endpoint: its fact is loaded, its body rendered and signed, and its answer judged
 *
 * An event whose fact is gone (retention), or that the endpoint no longer wants, is moot: nobody is asked.
 *
 * See also: service/notify/notifier (the lanes), webhook/payload, webhook/signature, net/http-post.
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

/** What was said and heard: for the record. `status` 0: no answer came. */
export type WebhookAttempt = {
  readonly event: WebhookEventName
  readonly emailId: string | null
  readonly at: number
  readonly status: number
  /** The first bytes of the answer, or why none came. */
  readonly answer: string
  readonly millis: number
}

/** `gone`: it wants to be asked no more. */
export type AttemptedSend =
  | ({ readonly kind: 'heard' } & WebhookAttempt)
  | ({ readonly kind: 'refused' | 'gone'; readonly error: string } & WebhookAttempt)

/** Nobody was asked: there is nothing to say (`moot`), or what is to be said could not be read just now (`unread`). */
export type SendResult = AttemptedSend | { readonly kind: 'moot' | 'unread' }

export type WebhookSender = (endpoint: Endpoint, rows: readonly OutboxRow[]) => Promise<(row: OutboxRow) => Promise<SendResult>>

export type WebhookSenderOptions = {
  readonly vault: Vault
  readonly poster: HttpClient
  readonly forwardBodies: ForwardBodies
}

/** Loads what a batch of one endpoint needs; the answer sends one of its rows and never throws. */
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
      const response = await poster.send(requestOf({ endpoint, secrets, event, fact, delivery, fields, at }))
      context.telemetry.trace.publish('webhook.attempted', { deliveryId: fact.deliveryId, domains: [delivery?.domain ?? null] }, () => ({
        event,
        endpoint: endpoint.endpointId,
        eventId: fact.id,
        status: response.status,
        milliseconds: Math.round(response.durationMs),
      }))
      return judgeResponse(response, { event, emailId: delivery?.emailId ?? null, at })
    }
  }
}

const UNREAD = { kind: 'unread' } as const

function logUnread({ telemetry }: Context, { account, endpointId, eventId }: OutboxRow, error: unknown): typeof UNREAD {
  telemetry.log.warn({ account, endpointId, eventId, err: error }, 'a mail could not be read for its webhook; it is tried again')
  return UNREAD
}

type WebhookMessage = {
  readonly endpoint: Endpoint
  readonly secrets: readonly WebhookSecret[]
  readonly event: WebhookEventName
  readonly fact: Fact
  readonly delivery: DeliveryRow | null
  /** What the fact itself does not hold. */
  readonly fields: WebhookPayload
  readonly at: number
}

function requestOf({ endpoint, secrets, event, fact, delivery, fields, at }: WebhookMessage): Parameters<HttpClient['send']>[0] {
  const token = makeWebhookToken()
  const signature = signSendcloud(secrets[0]?.secret ?? '', at, token)
  const body = { ...buildPayload(event, fact, delivery, { timestamp: at, token, signature }), ...fields }
  const written = formatPayload(endpoint.format, { payload: body, event, fact, delivery, sentAt: at, secret: secrets[0]?.secret ?? '' })
  const signed = standardWebhooksHeaders(secrets, { id: webhookIdOf(fact.id, endpoint), at, body: written.body })
  const headers = { 'content-type': written.contentType, 'user-agent': 'bounced', ...written.headers, ...signed }
  return { url: endpoint.url, method: 'POST', headers, body: written.body }
}

/** 2xx is heard, 410 is gone (RFC 9110 §15.5.11), all else is refused. */
function judgeResponse(
  { status, text: response, durationMs: millis }: HttpResponse,
  about: Pick<WebhookAttempt, 'event' | 'emailId' | 'at'>,
): SendResult {
  const attempt = { ...about, status, answer: response, millis }
  if (status >= 200 && status < 300) return { kind: 'heard', ...attempt }
  const error = status === 0 ? response : `HTTP ${status} ${response}`.trim()
  return { kind: status === 410 ? 'gone' : 'refused', error, ...attempt }
}
