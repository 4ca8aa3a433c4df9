/**
 * endpoint - a webhook endpoint and its choices, as `GET /v1/webhooks` shows it
 *
 * See also: http/api/webhooks.
 */
export type WebhookEndpoint = {
  readonly id: number
  readonly url: string
  readonly name: string
  readonly events: readonly string[]
  readonly apiUsers: readonly string[]
  readonly format: string
  readonly ladder: string
  /** For the format `sendgrid`. */
  readonly publicKey: string | null
  readonly enabled: boolean
}

export type WithSecret = WebhookEndpoint & { readonly secret: string | null }

export const EVENTS = [
  'request',
  'deliver',
  'invalid',
  'soft_bounce',
  'deferred',
  'auto_reply',
  'report_spam',
  'click',
  'open',
  'unsubscribe',
  'route',
  'alarm',
  'alert.raised',
  'alert.cleared',
  'queue.throttled',
  'queue.paused',
  'queue.probing',
  'queue.recovering',
  'queue.recovered',
  'queue.manual_paused',
  'queue.manual_ended',
] as const

export const FORMATS = ['bounced', 'form', 'json', 'cloudevents', 'cloudevents-binary', 'engagelab', 'ses', 'sendgrid', 'postmark'] as const
export const LADDERS = ['standard', 'vendor'] as const
