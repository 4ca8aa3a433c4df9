/**
 * disable-endpoint - an endpoint that answered 410 is switched off, and its account hears of it
 *
 * What waits for it stays: switching it on again sends it.
 *
 * See also: service/notify/notifier, service/notify/webhooks (who switches it on).
 */
import { createFactBatch } from '../../ledger/facts/fact-batch.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { createFact, aboutEndpoint } from '../../ledger/facts/new-fact.ts'
import { findEndpoint, saveEndpoint, type Endpoint } from '../../store/webhook/endpoints.ts'
import { loadLedgerState } from '../../store/facts/ledger-state.ts'
import { logAlarms } from '../alarm-log.ts'
import { commitLedgerState } from '../commit.ts'
import type { Context } from '../context.ts'

/** Switches it off and writes the alarm, unless somebody changed it meanwhile. Idempotent. */
export async function disableGoneEndpoint(context: Context, { account, endpointId, url }: Endpoint): Promise<void> {
  const now = context.now()
  const about = aboutEndpoint(account, endpointId)
  const alarmFacts = await context.engine.tx(async (db) => {
    const found = await findEndpoint(db, account, endpointId)
    if (found === null || !found.enabled || found.url !== url) return []
    const { ledgerState } = await loadLedgerState(db, { subjects: [{ account, subject: about.subject }] })
    await saveEndpoint(db, { ...found, enabled: false, updatedAt: now })
    const text = `The endpoint ${endpointId} answered 410 (gone) and was switched off; what waits for it is kept.`
    const data = { alarm: 'webhook', text, detail: { endpointId, since: now } } as const
    const draft = createFactBatch(ledgerState)
    draft.add(createFact('alarm', about, { at: now, receivedAt: now, ids: context.ids }, data))
    applyFacts(ledgerState, draft.facts)
    await commitLedgerState(db, ledgerState, { now, notify: () => true })
    return draft.facts
  })
  logAlarms(context.telemetry, alarmFacts)
}
