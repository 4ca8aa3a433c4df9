/**
 * bootstrap - the store, the keys and the rules, ready for work: what the daemon and the commands on a store have in common
 *
 * Opens the store, brings its schema up to date, holds the master key against it, makes the first account in an empty one, and loads the
 * rules. Nothing listens yet.
 *
 * See also: app (which listens), service/context.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { firstStart } from './accounts.ts'
import type { FirstStart } from './accounts.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { databaseOf } from '../settings/load.ts'
import { deriveTokenKey } from '../correlate/token-keys.ts'
import { readReporters, reporterDomains } from '../config/reporters.ts'
import { loadRules } from '../config/rule-files.ts'
import { createVault, loadMasterKey } from '../config/vault.ts'
import type { Vault } from '../config/vault.ts'
import { holdMaster } from './token-keyring.ts'
import { egressIpsOf } from '../settings/pools.ts'
import type { Settings } from '../settings/schema.ts'
import { openEngine } from '../store/engine/engine.ts'
import type { Engine } from '../store/engine/engine.ts'
import { migrate } from '../store/engine/migrate.ts'
import type { Telemetry } from '../telemetry.ts'
import { createBook } from '../service/account-cache.ts'
import { processIds } from '../service/context.ts'
import type { Shop } from '../service/context.ts'
import { createWatch } from '../service/alerts/counter-buffer.ts'

export type Opening = {
  readonly shop: Shop
  readonly master: Uint8Array
  readonly vault: Vault
  /** Not null at the first start: its secrets are shown once. */
  readonly first: FirstStart | null
  /** Reads the rules again, whole or not at all. Faults: rule_invalid. */
  readonly reloadRules: () => void
  /** Tells the port that HTTP got, for links where no public URL is set. */
  readonly atHttpPort: (port: number) => void
  readonly close: () => Promise<void>
}

export type OpeningOptions = { readonly settings: Settings; readonly telemetry: Telemetry }

/** Opens everything. Faults: config_invalid, store_busy, store_newer, rule_invalid. */
export async function openShop({ settings, telemetry }: OpeningOptions): Promise<Opening> {
  const now = Date.now
  let table: RuleTable = readRules(settings)
  let httpPort = settings.http.port
  const { engine, master } = await openStore(settings)
  try {
    const vault = createVault(master)
    await migrate(engine, now())
    await holdMaster(engine, master, now())
    const { apiUser, apiKey, trust, giveUpDays } = settings
    const first = await firstStart(engine, { apiUser, apiKey: apiKey ?? null, trust, giveUpAfterDays: giveUpDays }, now())
    const shop: Shop = {
      engine,
      rules: () => table,
      book: createBook(engine, (ring, account) => deriveTokenKey(master, account, ring.index), now),
      domains: { returnPath: [settings.returnPathDomain], feedback: [settings.feedbackDomain] },
      get publicUrl() {
        return publicUrlOf(settings, httpPort)
      },
      reporters: reporterDomains(readReporters(), settings.reporters.own),
      ...(settings.delivery.mode === 'off' ? {} : { egressIps: egressIpsOf(settings.delivery) }),
      telemetry,
      watch: createWatch(now),
      now,
      ids: processIds,
    }
    const reloadRules = (): void => {
      table = readRules(settings)
    }
    const atHttpPort = (port: number): void => {
      httpPort = port
    }
    return { shop, master, vault, first, reloadRules, atHttpPort, close: () => engine.close() }
  } catch (error) {
    await engine.close()
    throw error
  }
}

function readRules(settings: Settings): RuleTable {
  return loadRules({ own: settings.rules.folder ?? null })
}

function publicUrlOf({ publicUrl, host }: Settings, port: number): string {
  return (publicUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`).replace(/\/$/, '')
}

/** The key comes first: a store must never be made that nobody can open again. */
async function openStore(settings: Settings): Promise<{ readonly engine: Engine; readonly master: Uint8Array }> {
  // What we write (store, key) is the owner's alone.
  process.umask(0o077)
  const url = databaseOf(settings)
  const isEmbedded = url.startsWith('sqlite:')
  const isNew = isEmbedded && !existsSync(url.slice('sqlite:'.length))
  if (isEmbedded) mkdirSync(settings.data, { recursive: true, mode: 0o700 })
  const { key } = loadMasterKey({ given: settings.masterKey ?? null, folder: settings.data, isEmbedded, mayMake: isNew })
  return { engine: await openEngine(url), master: key }
}
