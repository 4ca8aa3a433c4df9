/**
 * engagement-retention - removes what opens and clicks tell about their readers, after the days that an account has set
 *
 * The facts stay, without IP address, place, client and link, so that no row or counter changes and a rebuild agrees. Each page is one
 * transaction, which also stores how far it got: a later run, on any node, continues there.
 *
 * See also: ledger/account-settings (engagementDays), daemon/scheduled-jobs (when it runs), docs/RETENTION.md.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { clearPersonalFields } from '../../ledger/decide/redact.ts'
import { readMetadataForOperator, writeMetadataForOperator } from '../../store/engine/metadata.ts'
import { scanOldEngagement, type EngagementCursor } from '../../store/facts/engagement.ts'
import { overwriteFactData } from '../../store/facts/facts.ts'
import type { Context } from '../context.ts'

const DAY_MS = 86_400_000

/** Facts that one transaction rewrites. */
const PAGE_SIZE = 500

/** So that other writers can run between two pages. */
const PAUSE_MS = 5

/** Clears all that is due, or until `shouldStop`. Idempotent. Faults: store_busy. */
export async function clearOldEngagement(context: Context, shouldStop: () => boolean): Promise<void> {
  const { accounts, settingsOf } = await context.accountCache.snapshot()
  for (const { account } of accounts) {
    const { engagementDays } = settingsOf(account)
    if (engagementDays === 0) continue
    while (!shouldStop() && (await clearPage(context, account, context.now() - engagementDays * DAY_MS)) === PAGE_SIZE)
      await sleep(PAUSE_MS)
  }
}

/** Resolves to the number of facts of the page. */
function clearPage(context: Context, account: number, before: number): Promise<number> {
  const key = `engagement_cleared:${account}`
  return context.engine.tx(
    async (db) => {
      const stored = await readMetadataForOperator(db, key)
      // Checked cast: only this function writes the value.
      const after = stored === null ? null : (JSON.parse(stored) as EngagementCursor)
      const facts = await scanOldEngagement(db, account, { before, after, limit: PAGE_SIZE })
      const last = facts.at(-1)
      if (last === undefined) return 0
      await overwriteFactData(db, account, facts.map(clearPersonalFields))
      await writeMetadataForOperator(db, key, JSON.stringify({ at: last.at, id: last.id }))
      return facts.length
    },
    { lockName: 'engagement retention', visibility: 'latest' },
  )
}
