/**
 * context - a service context around the store of a test, with accounts and fixed keys
 */
import { deriveTokenKey } from '../../src/correlate/token-keys.ts'
import { createMailLinkSigner } from '../../src/mail-auth/signed-mail-link.ts'
import { createHttpClient } from '../../src/net/http-post.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { createSsrfGuard } from '../../src/net/ssrf-guard.ts'
import type { DnsLookup } from '../../src/net/dns.ts'
import { createVault } from '../../src/config/vault.ts'
import { DEFAULT_ACCOUNT_SETTINGS, type AccountSettings } from '../../src/ledger/account-settings.ts'
import { createAccount } from '../../src/store/account/accounts.ts'
import type { Engine } from '../../src/store/engine/engine.ts'
import { addTokenKey } from '../../src/store/account/token-keys.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import { createAlertService, type AlertService } from '../../src/http/services/alerts.ts'
import { createAccountCache } from '../../src/service/account-cache.ts'
import { createExportService, type ExportService } from '../../src/service/export/exports.ts'
import { createDkimKeyService, type DkimKeyService } from '../../src/service/admin/dkim.ts'
import type { Context } from '../../src/service/context.ts'
import { createFactIds } from '../../src/service/fact-ids.ts'
import { createForwardService, type ForwardService } from '../../src/service/forward/forward-domains.ts'
import { createCounterBuffer } from '../../src/service/alerts/counter-buffer.ts'
import { createReclassificationService, type ReclassificationService } from '../../src/service/reclassify/reclassifications.ts'
import { createWebhookService, type WebhookService } from '../../src/service/notify/webhooks.ts'

export const RETURN_PATH = 'bounce.example.com'
export const FEEDBACK = 'fbl.example.com'
export const MASTER = Buffer.alloc(32, 7)

/** The time (epoch ms), which a test sets. */
export type Clock = { now: number }

const rules = loadRules()

/** One for the process, as a daemon has. */
const ids = createFactIds(Date.now)

/** A context over a migrated store, with one account for each item of `accounts`. */
export async function makeContext(engine: Engine, clock: Clock, accounts: readonly Partial<AccountSettings>[] = [{}]): Promise<Context> {
  await engine.tx(async (db) => {
    for (const [n, settings] of accounts.entries())
      await createAccount(db, { name: `account ${n + 1}`, createdAt: clock.now, settings: { ...DEFAULT_ACCOUNT_SETTINGS, ...settings } })
    await addTokenKey(db, { account: 0, index: 0, sealed: Buffer.from('sealed'), createdAt: clock.now, retiredAt: null })
  })
  return openTestContext(engine, clock)
}

/** A context over a store that {@link makeContext} has filled, in this process or in another. */
export async function openTestContext(engine: Engine, clock: Clock): Promise<Context> {
  const now = (): number => clock.now
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  return {
    engine,
    rules: () => rules,
    accountCache: createAccountCache(engine, (key, account) => deriveTokenKey(MASTER, account, key.index), now),
    domains: { returnPath: [RETURN_PATH], feedback: [FEEDBACK] },
    publicUrl: 'https://bounced.example.com',
    sharedTrackingBase: 'https://t.example.com',
    reporters: [{ name: 'Loops', from: [], domains: ['loops.example'] }],
    telemetry,
    diskSpace: { floorBytes: 0, freeBytes: () => null, isLow: () => false },
    counterBuffer: createCounterBuffer(now, { rules: () => rules, telemetry }),
    now,
    elapsed: now,
    ids,
  }
}

/** A webhook service that allows public targets only. */
export function makeWebhooks(context: Context): WebhookService {
  const ssrfGuard = createSsrfGuard({ allowPrivate: false, allowHosts: [] })
  return createWebhookService(context, {
    vault: createVault(MASTER),
    guard: ssrfGuard,
    poster: createHttpClient(ssrfGuard, { connections: 1 }),
  })
}

/** An export service with the default limits. */
export function makeExports(context: Context, onQueued: () => void = () => undefined): ExportService {
  return createExportService(context, { days: 30, waiting: 3 }, onQueued)
}

/** A forward service that signs its links with {@link MASTER}. */
export const makeForwardDomains = (context: Context): ForwardService => createForwardService(context, createMailLinkSigner(MASTER))

/** A DKIM key service; by default DNS holds no record. */
export function makeDkim(context: Context, lookUp: DnsLookup = () => Promise.reject(new Error('nothing is published'))): DkimKeyService {
  return createDkimKeyService(context, { vault: createVault(MASTER), lookUp })
}

/** Alerts with the default thresholds. */
export const makeAlertService = (context: Context): AlertService => createAlertService(context, { rules: [], mailTo: [] })

/** Reclassifications that nothing runs by itself. */
export const makeReclassifications = (context: Context): ReclassificationService => createReclassificationService(context, () => undefined)
