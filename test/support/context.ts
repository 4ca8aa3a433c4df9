/**
 * context - a Shop around a store of a test, with one account and fixed keys
 */
import { deriveTokenKey } from '../../src/correlate/token-keys.ts'
import { createMailLinks } from '../../src/mail-auth/signed-mail-link.ts'
import { createPoster } from '../../src/net/http-post.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { createTargetGuard } from '../../src/net/ssrf-guard.ts'
import type { LookUp } from '../../src/net/dns.ts'
import { createVault } from '../../src/config/vault.ts'
import { DEFAULT_THRESHOLDS } from '../../src/ledger/alert/alert-rules.ts'
import { DEFAULT_SETTINGS, type AccountSettings } from '../../src/ledger/account-settings.ts'
import { createAccount } from '../../src/store/account/accounts.ts'
import { listAlerts, listAlertsForOperator } from '../../src/store/alerts.ts'
import type { Engine } from '../../src/store/engine/engine.ts'
import { addTokenKey } from '../../src/store/account/token-keys.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import type { Desk } from '../../src/http/services.ts'
import { createBook } from '../../src/service/account-cache.ts'
import { createExports, type Exports } from '../../src/service/export/exports.ts'
import { createDkim, type Dkim } from '../../src/service/admin/dkim.ts'
import { processIds, type Shop } from '../../src/service/context.ts'
import { createRoutes, type Routes } from '../../src/service/forward/forward-domains.ts'
import { createWatch } from '../../src/service/alerts/counter-buffer.ts'
import { createWebhooks, type Webhooks } from '../../src/service/notify/webhooks.ts'

export const RETURN_PATH = 'bounce.example.com'
export const FEEDBACK = 'fbl.example.com'
export const MASTER = Buffer.alloc(32, 7)

/** A clock that a test moves. */
export type Clock = { now: number }

const rules = loadRules()

/** A shop over a migrated store; makes as many accounts as there are settings. */
export async function makeShop(engine: Engine, clock: Clock, accounts: readonly Partial<AccountSettings>[] = [{}]): Promise<Shop> {
  await engine.tx(async (db) => {
    for (const [n, settings] of accounts.entries())
      await createAccount(db, { name: `account ${n + 1}`, createdAt: clock.now, settings: { ...DEFAULT_SETTINGS, ...settings } })
    await addTokenKey(db, { account: 0, index: 0, sealed: Buffer.from('sealed'), createdAt: clock.now, retiredAt: null })
  })
  const now = (): number => clock.now
  return {
    engine,
    rules: () => rules,
    book: createBook(engine, (key, account) => deriveTokenKey(MASTER, account, key.index), now),
    domains: { returnPath: [RETURN_PATH], feedback: [FEEDBACK] },
    publicUrl: 'https://bounced.example.com',
    reporters: new Set(['loops.example']),
    telemetry: await createTelemetry({ level: 'silent', format: 'json' }),
    watch: createWatch(now),
    now,
    ids: processIds,
  }
}

/** Webhooks of a shop, to public targets only. */
export function makeWebhooks(shop: Shop): Webhooks {
  const guard = createTargetGuard({ allowPrivate: false, allowHosts: [] })
  return createWebhooks(shop, { vault: createVault(MASTER), guard, poster: createPoster(guard, { connections: 1 }) })
}

/** Exports of a shop with the usual limits; `nudge` hears of each job. */
export function makeExports(shop: Shop, nudge: () => void = () => undefined): Exports {
  return createExports(shop, { days: 30, waiting: 3 }, nudge)
}

/** Domains and mails of accounts, with links under the key of the tests. */
export const makeRoutes = (shop: Shop): Routes => createRoutes(shop, createMailLinks(MASTER))

/** Signing keys of a shop; nothing stands in DNS unless told. */
export function makeDkim(shop: Shop, lookUp: LookUp = () => Promise.reject(new Error('nothing is published'))): Dkim {
  return createDkim(shop, { vault: createVault(MASTER), lookUp })
}

/** Alerts of a shop, with the thresholds of the table. */
export const makeAlertDesk = (shop: Shop): Desk['alerts'] => ({
  list: (account) => (account === null ? listAlertsForOperator(shop.engine.read) : listAlerts(shop.engine.read, account)),
  thresholds: () => Promise.resolve(DEFAULT_THRESHOLDS),
})
