/**
 * bootstrap - opens the store, the keys and the rules, for the daemon and for commands
 *
 * Opens the store, migrates its schema, checks the master key against it, makes the first account in an empty store, and loads the rules. Opens no
 * listener.
 *
 * See also: daemon/app (opens the listeners), service/context.
 */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { createFirstCredentials } from './accounts.ts'
import { checkStoreFiles, checkStoreTables } from './store-files.ts'
import { startProcessClock, type ProcessClock } from './process-clock.ts'
import { createReplicaListener } from './replica-status.ts'
import { createStoreFaultListener } from './store-faults.ts'
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../net/cache-bound.ts'
import type { FirstCredentials } from './accounts.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { Fault } from '../errors.ts'
import { databaseUrlOf } from '../settings/load.ts'
import { deriveTokenKey } from '../correlate/token-keys.ts'
import { createReporters, readReporters } from '../config/reporters.ts'
import { compileDraft } from '../config/rule-draft.ts'
import { loadShaping } from '../config/shaping-files.ts'
import type { ShapingTable } from '../queue/shaping/shaping-table.ts'
import { loadRules } from '../config/rule-files.ts'
import { readRuleFolder } from '../config/rule-folder.ts'
import { checkStoreFile, prepareDataFolder } from '../config/folder-access.ts'
import { loadMasterKey } from '../config/master-key-file.ts'
import { createVault } from '../config/vault.ts'
import type { Vault } from '../config/vault.ts'
import { verifyMasterKey } from './token-keyring.ts'
import { localUrlOf } from '../settings/exposure.ts'
import { egressIpsOf } from '../settings/pools.ts'
import type { Settings } from '../settings/schema.ts'
import { engineLimitsOf } from '../settings/store.ts'
import { COPY_SOURCE } from '../store/backup/copy-store.ts'
import { readMetadataForOperator } from '../store/engine/metadata.ts'
import { logHostOf } from '../import/log-followers.ts'
import { openEngine } from '../store/engine/open-engine.ts'
import type { Engine, EngineOptions } from '../store/engine/engine.ts'
import { migrate } from '../store/engine/migrate.ts'
import { partitionNewStore } from '../store/partitions/conversion.ts'
import { createPartitionsAhead } from '../store/partitions/partitions.ts'
import type { Telemetry } from '../telemetry.ts'
import { createAccountCache } from '../service/account-cache.ts'
import { createFactIds } from '../service/fact-ids.ts'
import type { Context } from '../service/context.ts'
import { createDiskSpace } from '../service/disk-space.ts'
import { createCounterBuffer } from '../service/alerts/counter-buffer.ts'

/** As many domains as net/mx keeps answers for. */
const KNOWN_SITES = 20_000

export type Runtime = {
  readonly context: Context
  readonly masterKey: Uint8Array
  readonly vault: Vault
  /** Null unless this is the first start. The secrets are shown once. */
  readonly firstCredentials: FirstCredentials | null
  /** Reads the rules again, completely or not at all. Faults: rule_invalid. */
  readonly reloadRules: () => void
  /** Reads the operator's rules again; the shipped ones stay. Costs a third. Faults: rule_invalid. */
  readonly reloadOwnRules: () => void
  /** Reads the limits of receiving sites again, completely or not at all. Faults: config_invalid. */
  readonly reloadShaping: () => void
  /** Sets the port of the HTTP listener, for links where no public URL is set. */
  readonly setHttpPort: (port: number) => void
  readonly close: () => Promise<void>
}

type BootstrapOptions = { readonly settings: Settings; readonly telemetry: Telemetry }

/** Opens everything. Faults: config_invalid, store_busy, store_newer, rule_invalid. */
export async function openContext({ settings, telemetry }: BootstrapOptions): Promise<Runtime> {
  const { rules, reloadRules, reloadOwnRules } = createRuleTableHolder(settings)
  const { shaping, reloadShaping } = createShapingHolder(settings)
  let httpPort = settings.http.port
  const { engine, masterKey, clock } = await openStore(settings, telemetry)
  const { now } = clock
  try {
    const vault = createVault(masterKey)
    await prepareSchema(engine, telemetry, now())
    await refuseIncompleteCopy(engine)
    await verifyMasterKey(engine, masterKey, now())
    const { apiUser, apiKey, trust, giveUpDays } = settings
    const firstCredentials = await createFirstCredentials(
      engine,
      { apiUser, apiKey: apiKey ?? null, trust, giveUpAfterDays: giveUpDays },
      now(),
    )
    const context = createContext(settings, telemetry, {
      engine,
      masterKey,
      rules,
      shaping,
      httpPort: () => httpPort,
      clock,
    })
    const setHttpPort = (port: number): void => {
      httpPort = port
    }
    const close = (): Promise<void> => {
      clock.stop()
      return engine.close()
    }
    return { context, masterKey, vault, firstCredentials, reloadRules, reloadOwnRules, reloadShaping, setHttpPort, close }
  } catch (error) {
    clock.stop()
    await engine.close()
    throw error
  }
}

async function prepareSchema(engine: Engine, telemetry: Telemetry, now: number): Promise<void> {
  await migrate(engine, now)
  await partitionNewStore(engine, now)
  // A long read may hold a lock. The job of the daemon makes them then, and the default partition takes every row meanwhile.
  await createPartitionsAhead(engine, now).catch((error: unknown) => telemetry.log.warn({ err: error }, 'partitions are made later'))
}

async function refuseIncompleteCopy(engine: Engine): Promise<void> {
  if ((await readMetadataForOperator(engine.read, COPY_SOURCE)) === null) return
  throw new Fault('config_invalid', 'this store is an incomplete copy of another one: run "bounced migrate" again until it is complete')
}

type ContextParts = {
  readonly engine: Engine
  readonly masterKey: Uint8Array
  readonly rules: () => RuleTable
  readonly shaping: () => ShapingTable
  readonly httpPort: () => number
  readonly clock: ProcessClock
}

function createContext(
  settings: Settings,
  telemetry: Telemetry,
  { engine, masterKey, rules, shaping, httpPort, clock }: ContextParts,
): Context {
  const { now, elapsed } = clock
  return {
    engine,
    rules,
    shaping,
    accountCache: createAccountCache(
      engine,
      (ring, account) => deriveTokenKey(masterKey, account, ring.index),
      elapsed,
      followedHostsOf(settings),
    ),
    domains: { returnPath: [settings.returnPathDomain], feedback: [settings.feedbackDomain], verp: settings.smtp.verpDomains },
    get publicUrl() {
      return publicUrlOf(settings, httpPort())
    },
    sharedTrackingBase: sharedTrackingBaseOf(settings),
    reporters: createReporters(readReporters(), settings.reporters.own),
    ...(settings.delivery.mode === 'off'
      ? {}
      : { egressIps: egressIpsOf(settings.delivery), knownSites: new LRUCache<string, string>(upToEntries(KNOWN_SITES)) }),
    telemetry,
    certificates: { current: () => [] },
    diskSpace: createDiskSpace({ folder: storeFolderOf(settings), floorBytes: settings.limits.freeDiskBytes, elapsed, telemetry }),
    counterBuffer: createCounterBuffer(now, { rules, telemetry }),
    now,
    elapsed,
    ids: createFactIds(now),
  }
}

/** The folder of the embedded database; with PostgreSQL the data folder. */
function storeFolderOf(settings: Settings): string {
  const url = databaseUrlOf(settings)
  return url.startsWith('sqlite:') ? dirname(url.slice('sqlite:'.length)) : settings.data
}

/** Loads the rules. A reload that fails leaves the table as it was. Faults, as those of the reloads: rule_invalid. */
function createRuleTableHolder({
  rules: { folder },
}: Settings): Pick<Runtime, 'reloadRules' | 'reloadOwnRules'> & { readonly rules: () => RuleTable } {
  let table = loadRules({ own: folder ?? null })
  return {
    rules: () => table,
    reloadRules: () => {
      table = loadRules({ own: folder ?? null })
    },
    reloadOwnRules: () => {
      if (folder !== undefined) table = compileDraft(table, readRuleFolder(folder, 'operator'))
    },
  }
}

function createShapingHolder({
  delivery: { shapingFile },
}: Settings): Pick<Runtime, 'reloadShaping'> & { readonly shaping: () => ShapingTable } {
  let table = loadShaping(shapingFile ?? null)
  return {
    shaping: () => table,
    reloadShaping: () => {
      table = loadShaping(shapingFile ?? null)
    },
  }
}

function publicUrlOf({ publicUrl, http }: Settings, port: number): string {
  return (publicUrl ?? localUrlOf(http.host, port)).replace(/\/$/, '')
}

/** Faults: config_invalid. */
function replicaOf(settings: Settings, telemetry: Telemetry): Pick<EngineOptions, 'replica'> {
  const { replica: url, replicaLagSeconds } = settings.store
  if (url === undefined) return {}
  if (databaseUrlOf(settings).startsWith('sqlite:'))
    throw new Fault('config_invalid', 'store.replica needs PostgreSQL: set database to the primary, or remove store.replica')
  return { replica: { url, maxLagMillis: replicaLagSeconds * 1_000, onStatus: createReplicaListener(telemetry) } }
}

/** The name of the MTA on this machine, if a log of it is followed: its first report may come before its first line. */
const followedHostsOf = ({ follow }: Settings): readonly string[] => (follow.logs.length === 0 ? [] : [logHostOf(follow).toLowerCase()])

type OpenedStore = { readonly engine: Engine; readonly masterKey: Uint8Array; readonly clock: ProcessClock }

/** Links in mails outlive a guess, so without a name that the operator set there is no base. */
function sharedTrackingBaseOf({ publicUrl, tracking }: Settings): string | null {
  if (tracking.domain !== undefined) return `https://${tracking.domain}`
  return publicUrl === undefined ? null : publicUrl.replace(/\/$/, '')
}

/** Loads or makes the key before the store: a store whose key is lost cannot be opened again. */
async function openStore(settings: Settings, telemetry: Telemetry): Promise<OpenedStore> {
  // The store and the key are for their owner only.
  process.umask(0o077)
  const url = databaseUrlOf(settings)
  const isEmbedded = url.startsWith('sqlite:')
  const file = isEmbedded ? url.slice('sqlite:'.length) : null
  const isNew = file !== null && !existsSync(file)
  if (isEmbedded) prepareDataFolder(settings.data)
  if (file !== null) checkStoreFile(file)
  if (file !== null) checkStoreFiles({ file, folder: settings.data, isConfirmed: settings.newStore })
  const { key } = loadMasterKey({ configured: settings.masterKey ?? null, folder: settings.data, isEmbedded, mayGenerate: isNew })
  const engine = await openEngine(url, {
    ...engineLimitsOf(settings.store),
    ...replicaOf(settings, telemetry),
    onFault: createStoreFaultListener(telemetry),
  })
  try {
    if (file !== null && !isNew && !settings.newStore) await checkStoreTables(engine, file)
    return { engine, masterKey: key, clock: await startProcessClock(engine.read, telemetry) }
  } catch (error) {
    await engine.close()
    throw error
  }
}
