/**
 * test-event - sends a webhook event that means nothing, so that a person sees how the endpoint answers
 *
 * It is an `alarm` in the endpoint's own format, or, if the format has no word for alarms, a delivery to an address of example.com. It is signed like
 * every other, and sent whether the endpoint subscribes to it or not. Nothing is stored.
 *
 * See also: service/notify/webhook-sender, http/api/webhook-health.
 */
import { Fault } from '../../errors.ts'
import { DELIVERED_EFFECT } from '../../ledger/decide/effect.ts'
import { createFact, aboutDelivery, aboutEndpoint, type FactMoment } from '../../ledger/facts/new-fact.ts'
import { createEmptyDelivery } from '../../ledger/project/delivery.ts'
import { hasWordFor } from '../../webhook/payload-format.ts'
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
  const about = hasWordFor(endpoint.format, 'alarm') ? testAlarm(endpoint, moment) : testDelivery(endpoint, moment)
  const secrets = decryptSecrets(vault, endpoint, at)
  const request = webhookRequestOf({ endpoint, secrets, ...about, fields: {}, at })
  if (request === null) throw new Fault('internal', `the format ${endpoint.format} has no word for a test event`)
  const { status, text, durationMs } = await poster.send(request)
  return { status: status === 0 ? null : status, millis: Math.round(durationMs), response: text }
}

type TestEvent = Pick<Parameters<typeof webhookRequestOf>[0], 'event' | 'fact' | 'delivery'>

function testAlarm({ account, endpointId }: Endpoint, moment: FactMoment): TestEvent {
  const data = { alarm: 'test', text: TEXT, detail: { endpointId } } as const
  return { event: 'alarm', fact: createFact('alarm', aboutEndpoint(account, endpointId), moment, data), delivery: null }
}

const TEST_MAIL = {
  messageId: 'test',
  emailId: 'test0$test@example.com',
  recipient: 'test@example.com',
  from: 'sender@example.com',
  subject: TEXT,
  messageIdHeader: '<test@example.com>',
} as const

function testDelivery({ account }: Endpoint, moment: FactMoment): TestEvent {
  const row = createEmptyDelivery({ account, subject: 'test', deliveryMonth: 0 })
  const fact = createFact('attempt', aboutDelivery(row), moment, {
    n: 1,
    code: 250,
    status: '2.0.0',
    text: TEXT,
    error: null,
    mx: null,
    egressIp: null,
    site: '',
    final: true,
    source: 'api',
    verdict: null,
    effect: DELIVERED_EFFECT,
    settingsVersion: 1,
  })
  return { event: 'deliver', fact, delivery: { ...row, ...TEST_MAIL, requestedAt: moment.at } }
}
