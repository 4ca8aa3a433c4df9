/**
 * event-message - what a format gets to write one event, and what it returns
 *
 * Pure. See also: webhook/payload-format (the table of formats), service/notify/webhook-sender.
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { DeliveryRow } from '../ledger/project/state.ts'
import type { WebhookEventName, WebhookPayload } from './payload.ts'

export type EventMessage = {
  readonly event: WebhookEventName
  readonly fact: Fact
  readonly delivery: DeliveryRow | null
  /** SendCloud's fields, signed as SendCloud signs, with `fields`. */
  readonly payload: WebhookPayload
  /** What the fact does not contain: the content of inbound mail, in SendCloud's names. */
  readonly fields: WebhookPayload
  /** When the request is sent. */
  readonly sentAt: number
  /** The current secret, with which some formats sign. */
  readonly secret: string
}

export type FormattedPayload = {
  readonly contentType: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** A JSON body without headers of its own. */
export const toJsonPayload = (value: unknown): FormattedPayload => ({
  contentType: 'application/json',
  body: JSON.stringify(value),
  headers: {},
})
