/**
 * test-event - sends a webhook event that means nothing, so that a person sees how the endpoint answers
 *
 * It is an `alarm` in the endpoint's own format, signed like every other, and sent whether the endpoint subscribes to alarms or not. Nothing is stored.
 *
 * See also: service/notify/webhook-sender, http/api/webhook-health.
 */
import { createFact, aboutEndpoint } from '../../ledger/facts/new-fact.ts'
import { decryptSecrets } from '../../webhook/signature.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import type { Context } from '../context.ts'
import { webhookRequestOf, type WebhookSenderOptions } from './webhook-sender.ts'

/** What the endpoint answered. `status` null: nothing, and `response` says why. */
export type TestEventResponse = { readonly status: number | null; readonly millis: number; readonly response: string }

const TEXT = 'This is a test event. Nothing has happened.'

/** Never rejects for what the endpoint does. */
export async function sendTestEvent(
  context: Context,
  { vault, poster }: Pick<WebhookSenderOptions, 'vault' | 'poster'>,
  endpoint: Endpoint,
): Promise<TestEventResponse> {
  const at = context.now()
  const moment = { at, receivedAt: at, ids: context.ids }
  const data = { alarm: 'test', text: TEXT, detail: { endpointId: endpoint.endpointId } } as const
  const fact = createFact('alarm', aboutEndpoint(endpoint.account, endpoint.endpointId), moment, data)
  const secrets = decryptSecrets(vault, endpoint, at)
  const request = webhookRequestOf({ endpoint, secrets, event: 'alarm', fact, delivery: null, fields: {}, at })
  const { status, text, durationMs } = await poster.send(request)
  return { status: status === 0 ? null : status, millis: Math.round(durationMs), response: text }
}
