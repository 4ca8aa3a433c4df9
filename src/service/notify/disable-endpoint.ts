/**
 * disable-endpoint - an endpoint that answered 410 is switched off, and its account hears of it
 *
 * What waits for it stays: switching it on again sends it.
 *
 * See also: service/notify/notifier, service/notify/webhooks (who switches it on).
 */
import { draftFor } from '../../ledger/facts/fact-batch.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { makeFact, ofEndpoint } from '../../ledger/facts/new-fact.ts'
import { findEndpoint, saveEndpoint, type Endpoint } from '../../store/webhook/endpoints.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import { tellAlarms } from '../alarm-log.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'

/** Switches it off and writes the alarm, unless somebody changed it meanwhile. Idempotent. */
export async function disableGone(shop: Shop, { account, endpointId, url }: Endpoint): Promise<void> {
  const now = shop.now()
  const about = ofEndpoint(account, endpointId)
  const told = await shop.engine.tx(async (db) => {
    const found = await findEndpoint(db, account, endpointId)
    if (found === null || !found.enabled || found.url !== url) return []
    const { world } = await loadWorld(db, { subjects: [{ account, subject: about.subject }] })
    await saveEndpoint(db, { ...found, enabled: false, updatedAt: now })
    const text = `The endpoint ${endpointId} answered 410 (gone) and was switched off; what waits for it is kept.`
    const data = { alarm: 'webhook', text, detail: { endpointId, since: now } } as const
    const draft = draftFor(world)
    draft.add(makeFact('alarm', about, { at: now, receivedAt: now, ids: shop.ids }, data))
    applyFacts(world, draft.facts)
    await commitWorld(db, world, { now, notify: () => true })
    return draft.facts
  })
  tellAlarms(shop.telemetry, told)
}
