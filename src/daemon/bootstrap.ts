/**
 * bootstrap - the store, the keys and the rules, ready for work: what the daemon and the commands on a store have in common
 *
 * Opens the store, brings its schema up to date, holds the master key against it, makes the first account in an empty one, and loads the
 * rules. Nothing listens yet.
 *
 * See also: app (which listens), service/context.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { createFirstCredentials } from './accounts.ts'
import type { FirstCredentials } from './accounts.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { databaseUrlOf } from '../settings/load.ts'
import { deriveTokenKey } from '../correlate/token-keys.ts'
import { readReporters, reporterDomains } from '../config/reporters.ts'
import { loadRules } from '../config/rule-files.ts'
import { loadMasterKey } from '../config/master-key-file.ts'
import { createVault } from '../config/vault.ts'
import type { Vault } from '../config/vault.ts'
import { verifyMasterKey } from './token-keyring.ts'
import { egressIpsOf } from '../settings/pools.ts'
import type { Settings } from '../settings/schema.ts'
import { openEngine } from '../store/engine/open-engine.ts'
import type { Engine } from '../store/engine/engine.ts'
import { migrate } from '../store/engine/migrate.ts'
import type { Telemetry } from '../telemetry.ts'
import { createAccountCache } from '../service/account-cache.ts'
import { processIds } from '../service/fact-ids.ts'
import type { Context } from '../service/context.ts'
import { createCounterBuffer } from '../service/alerts/counter-buffer.ts'

export type Runtime = {
  readonly context: Context
  readonly masterKey: Uint8Array
  readonly vault: Vault
  /** Not null at the first start: its secrets are shown once. */
  readonly firstCredentials: FirstCredentials | null
  /** Reads the rules again, whole or not at all. Faults: rule_invalid. */
  readonly reloadRules: () => void
  /** Tells the port that HTTP got, for links where no public URL is set. */
  readonly setHttpPort: (port: number) => void
  readonly close: () => Promise<void>
}

type BootstrapOptions = { readonly settings: Settings; readonly telemetry: Telemetry }

/** Opens everything. Faults: config_invalid, store_busy, store_newer, rule_invalid. */
export async function openContext({ settings, telemetry }: BootstrapOptions): Promise<Runtime> {
  const now = Date.now
  let ruleTable: RuleTable = readRules(settings)
  let httpPort = settings.http.port
  const { engine, master: masterKey } = await openStore(settings)
  try {
    const vault = createVault(masterKey)
    await migrate(engine, now())
    await verifyMasterKey(engine, masterKey, now())
    const { apiUser, apiKey, trust, giveUpDays } = settings
    const firstCredentials = await createFirstCredentials(
      engine,
      { apiUser, apiKey: apiKey ?? null, trust, giveUpAfterDays: giveUpDays },
      now(),
    )
    const context: Context = {
      engine,
      rules: () => ruleTable,
      accountCache: createAccountCache(engine, (ring, account) => deriveTokenKey(masterKey, account, ring.index), now),
      domains: { returnPath: [settings.returnPathDomain], feedback: [settings.feedbackDomain] },
      get publicUrl() {
        return publicUrlOf(settings, httpPort)
      },
      reporters: reporterDomains(readReporters(), settings.reporters.own),
      ...(settings.delivery.mode === 'off' ? {} : { egressIps: egressIpsOf(settings.delivery) }),
      telemetry,
      counterBuffer: createCounterBuffer(now),
      now,
      ids: processIds,
    }
    const reloadRules = (): void => {
      ruleTable = readRules(settings)
    }
    const setHttpPort = (port: number): void => {
      httpPort = port
    }
    return { context, masterKey, vault, firstCredentials, reloadRules, setHttpPort, close: () => engine.close() }
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
  const url = databaseUrlOf(settings)
  const isEmbedded = url.startsWith('sqlite:')
  const isNew = isEmbedded && !existsSync(url.slice('sqlite:'.length))
  if (isEmbedded) mkdirSync(settings.data, { recursive: true, mode: 0o700 })
  const { key } = loadMasterKey({ configured: settings.masterKey ?? null, folder: settings.data, isEmbedded, mayGenerate: isNew })
  return { engine: await openEngine(url), master: key }
}
