/**
 * disable-endpoint - disables a webhook endpoint that answered 410, and raises an alarm for its account
 *
 * Events that wait for the endpoint stay in the outbox; they are sent when the endpoint is enabled again.
 *
 * RFC 9110 §15.5.11. See also: service/notify/notifier, service/notify/webhooks (enables it again).
 */
import { createFactBatch } from '../../ledger/facts/fact-batch.ts'
import { createFact, aboutEndpoint } from '../../ledger/facts/new-fact.ts'
import { findEndpoint, saveEndpoint, type Endpoint } from '../../store/webhook/endpoints.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** Disables the endpoint and raises the alarm, unless the endpoint has changed since. Idempotent. Faults: store_busy. */
export async function disableGoneEndpoint(context: Context, { account, endpointId, url }: Endpoint): Promise<void> {
  const about = aboutEndpoint(account, endpointId)
  const needs = { subjects: [{ account, subject: about.subject }] }
  await transact(context, needs, async ({ db, ledgerState, moment }) => {
    const endpoint = await findEndpoint(db, account, endpointId)
    if (endpoint === null || !endpoint.enabled || endpoint.url !== url) return { result: null }
    await saveEndpoint(db, { ...endpoint, enabled: false, updatedAt: moment.at })
    const text = `Endpoint ${endpointId} answered 410 (Gone) and was disabled. Its pending events are kept.`
    const batch = createFactBatch(ledgerState)
    batch.add(createFact('alarm', about, moment, { alarm: 'webhook', text, detail: { endpointId, since: moment.at } }))
    return { result: null, facts: batch.facts }
  })
}
