/**
 * app - the daemon: creates every part once, connects them, starts them and stops them in order
 *
 * Start: the lock of the data folder, store, rules, receiver, then the listeners; `startApp` resolves when all of them listen. End: no new connections,
 * open sessions get their replies, the last batch is committed, the store is closed, the lock is released. A reload replaces rules and certificate,
 * each completely or not at all.
 *
 * See also: daemon/bootstrap (store, keys, rules), daemon/command-server (the command socket), commands/serve (signals, printed lines).
 */
import { startBackgroundWork } from './background-work.ts'
import type { FirstCredentials } from './accounts.ts'
import type { VerifierService } from '../mail-auth/signature-verifier.ts'
import { createVerifierFromSettings } from './verification.ts'
import type { ActivatedSockets } from '../net/activated-sockets.ts'
import type { DnsLookup } from '../net/dns.ts'
import { createDeliveryService, createDnsLookUps, openNetworkEnvironment } from './delivery/delivery-setup.ts'
import type { DeliveryService, NetworkEnvironment } from './delivery/delivery-setup.ts'
import { loadOrMakeCertificate, hasConfiguredCertificate, openSmtpListeners, type SmtpListeners } from './listeners/smtp-listeners.ts'
import { claimForwardDomains, createOutboundServices } from './outbound-services.ts'
import type { OutboundServices } from './outbound-services.ts'
import { openContext } from './bootstrap.ts'
import { waitForMounts } from '../config/folder-access.ts'
import { httpAppOptions, type HttpDependencies } from './http-options.ts'
import { startCommandServer, type CommandServer } from './command-server.ts'
import { acquireServeLock, type ServeLock } from './serve-lock.ts'
import type { StoreCommand } from './store-command.ts'
import { Fault } from '../errors.ts'
import { exposureProblemsOf } from '../settings/exposure.ts'
import { databaseFileOf, databaseUrlOf, type SettingRow } from '../settings/load.ts'
import type { Runtime } from './bootstrap.ts'
import type { Settings } from '../settings/schema.ts'
import type { Telemetry } from '../telemetry.ts'
import { createAdminApp } from '../http/admin.ts'
import { checkMailboxes } from '../mailbox/mailbox-readers.ts'
import { createHttpApp } from '../http/app.ts'
import { openAdminListener, openPublicListener, type HttpListener, type PublicListener } from './listeners/http-listener.ts'
import { createIntake, type Intake } from './intake.ts'
import { createPipeListener } from './listeners/pipe-listener.ts'
import { createReadiness } from './readiness.ts'
import { createDkimKeyService } from '../service/admin/dkim.ts'
import { createTrackingDomainService } from '../service/track/tracking-domains.ts'
import { createExporter, type Exporter } from '../service/export/exporter.ts'
import { createReclassifier, type BackgroundReclassifier } from '../service/reclassify/reclassifier.ts'
import { createReclassificationService } from '../service/reclassify/reclassifications.ts'
import { createExportService } from '../service/export/exports.ts'
import type { IncomingRouter } from '../smtp-server/incoming-router.ts'
import { createSubmit, type Submit } from '../service/submit/submit.ts'

export type App = {
  readonly smtpPort: number
  readonly httpPort: number
  /** Null: there is no HTTPS listener. */
  readonly httpsPort: number | null
  readonly adminPort: number
  /** Null: there is no submission listener. */
  readonly submissionPort: number | null
  /** The port or the path of the LMTP listener; null: there is none. */
  readonly lmtp: number | string | null
  readonly firstCredentials: FirstCredentials | null
  readonly publicUrl: string
  /** Reads rules and certificate again. Faults: rule_invalid, config_invalid; then the old ones stay in force. */
  readonly reload: () => void
  /** Ends in order. Idempotent. */
  readonly close: () => Promise<void>
}

/**
 * `lookUp` replaces DNS in tests. `commands` are served on the command socket; without them there is no socket. `settingRows`: the settings with
 * their sources, for people. `sockets`: those that systemd opened.
 */
type AppOptions = {
  readonly lookUp?: DnsLookup
  readonly commands?: readonly StoreCommand[]
  readonly settingRows?: readonly SettingRow[]
  readonly sockets?: ActivatedSockets
}

/** Cleans up what a failed start holds, the last first. */
type Cleanups = (() => unknown)[]

/** Starts the daemon; resolves once it listens. Faults: config_invalid, conflict (port or data folder in use), store_busy, store_newer, rule_invalid. */
export async function startApp(settings: Settings, telemetry: Telemetry, options: AppOptions = {}): Promise<App> {
  refuseExposure(settings)
  await waitForMounts(pathsOf(settings))
  checkMailboxes(settings.mailboxes)
  const cleanups: Cleanups = []
  try {
    const lock = acquireLock(settings, telemetry)
    cleanups.push(() => lock?.release())
    const runtime = await openContext({ settings, telemetry })
    cleanups.push(runtime.close)
    const parts = await openParts(runtime, settings, { options, cleanups })
    const stopServices = startBackgroundWork(runtime, settings, parts)
    cleanups.push(stopServices)
    const commandServer =
      options.commands === undefined || lock === null
        ? null
        : await startCommandServer({
            context: { ...runtime, settings },
            commands: options.commands,
            receivePipedMail: createPipeListener({ context: runtime.context, settings, router: parts.intake.router }),
          })
    return {
      smtpPort: parts.smtpListeners.port,
      httpPort: parts.httpListener.port,
      httpsPort: parts.httpListener.https?.port ?? null,
      adminPort: parts.adminListener.port,
      submissionPort: parts.smtpListeners.submissionPort,
      lmtp: parts.smtpListeners.lmtp,
      firstCredentials: runtime.firstCredentials,
      publicUrl: runtime.context.publicUrl,
      reload: () => reload(runtime, settings, parts),
      close: once(() =>
        shutDown({ ...parts, stopServices, commandServer, runtime, lock, closeTimeoutMs: settings.limits.closeSeconds * 1_000 }),
      ),
    }
  } catch (error) {
    for (const cleanUp of cleanups.toReversed()) await cleanUp()
    throw error
  }
}

/** Everything that the start opens. */
function pathsOf(settings: Settings): readonly string[] {
  const { data, rules, tls, http, tracking } = settings
  const files = [databaseFileOf(settings), tls.cert, tls.key, tracking.cityDatabase, tracking.countryDatabase]
  return [data, rules.folder, http.tlsFolder, ...files].filter((path) => path !== null && path !== undefined)
}

function refuseExposure(settings: Settings): void {
  const problems = exposureProblemsOf(settings)
  if (problems.length > 0) throw new Fault('config_invalid', problems.join('\n'))
}

/**
 * The lock of the data folder. Nodes that share a PostgreSQL may share a folder too: the second one then runs without a lock and without a command
 * socket. Faults: conflict (with SQLite, where another daemon runs on the folder).
 */
function acquireLock(settings: Settings, { log }: Telemetry): ServeLock | null {
  try {
    return acquireServeLock(settings.data)
  } catch (error) {
    if (databaseUrlOf(settings).startsWith('sqlite:')) throw error
    log.warn({ err: error }, 'no command socket: the data folder is in use or cannot be written')
    return null
  }
}

type Parts = {
  readonly state: { isClosing: boolean }
  readonly network: NetworkEnvironment
  readonly verifier: VerifierService
  readonly intake: Intake
  readonly outbound: OutboundServices
  readonly exporter: Exporter
  readonly reclassifier: BackgroundReclassifier
  readonly deliveryService: DeliveryService
  readonly httpListener: PublicListener
  readonly adminListener: HttpListener
  readonly smtpListeners: SmtpListeners
  /** DNS without a cache: a record that was published a moment ago must be visible. */
  readonly uncachedLookUp: DnsLookup
}

/** Makes the parts and opens the listeners. */
async function openParts(
  runtime: Runtime,
  settings: Settings,
  { options, cleanups }: { readonly options: AppOptions; readonly cleanups: Cleanups },
): Promise<Parts> {
  const { context } = runtime
  const { cached, uncached: uncachedLookUp } = createDnsLookUps(settings, options.lookUp)
  const network = await openNetworkEnvironment(settings, { cached, uncached: uncachedLookUp })
  cleanups.push(network.close)
  const verifier = createVerifierFromSettings(settings, { lookUp: network.lookUp, telemetry: context.telemetry })
  cleanups.push(verifier.close)
  await claimForwardDomains(runtime, settings)
  const outbound = createOutboundServices(runtime, settings, uncachedLookUp)
  cleanups.push(outbound.close)
  const intake = await createIntake(context, settings, { prover: verifier.verify, inbound: outbound.forwarder })
  cleanups.push(intake.close)
  const exporter = createExporter(context, settings.exports)
  const reclassifier = createReclassifier(context)
  const deliveryService = createDeliveryService(runtime, settings, network)
  const state = { isClosing: false }
  const listeners = await openListeners(runtime, settings, {
    http: {
      settings,
      settingRows: options.settingRows ?? [],
      verifier: verifier.verify,
      outbound,
      exports: createExportService(context, settings.exports, () => void exporter.tick()),
      reclassifications: createReclassificationService(context, () => void reclassifier.tick()),
      submit: createSubmitFrom(runtime, settings),
      ...createDnsServices(runtime, uncachedLookUp),
      readiness: await createReadiness({ ...context, file: databaseFileOf(settings), isOpen: () => !state.isClosing }),
      engagement: intake.engagement,
    },
    router: intake.router,
    options,
    network,
    cleanups,
  })
  return { state, network, verifier, intake, outbound, exporter, reclassifier, deliveryService, uncachedLookUp, ...listeners }
}

const createSubmitFrom = ({ context }: Runtime, { submission }: Settings): Submit =>
  createSubmit(context, { recipientsPerDay: submission.recipientsPerDay ?? null, sendAtDays: submission.sendAtDays })

/** Services that look up records which somebody may have published a moment ago. */
const createDnsServices = ({ context, vault }: Runtime, lookUp: DnsLookup): Pick<HttpDependencies, 'dkim' | 'trackingDomains'> => ({
  dkim: createDkimKeyService(context, { vault, lookUp }),
  trackingDomains: createTrackingDomainService(context, lookUp),
})

type ListenerDependencies = {
  readonly http: HttpDependencies
  readonly router: IncomingRouter
  readonly network: NetworkEnvironment
  readonly options: Pick<AppOptions, 'sockets'>
  readonly cleanups: Cleanups
}

/** Opens HTTP first, because links name its port. */
async function openListeners(
  runtime: Runtime,
  settings: Settings,
  { http, router, options: { sockets = new Map() }, network, cleanups }: ListenerDependencies,
): Promise<Pick<Parts, 'httpListener' | 'adminListener' | 'smtpListeners'>> {
  const { context } = runtime
  const { submit } = http
  const appOptions = httpAppOptions(runtime, http)
  const httpListener = await openPublicListener(await createHttpApp(appOptions), settings, { ...context, sockets })
  cleanups.push(httpListener.close)
  runtime.setHttpPort(httpListener.port)
  const adminApp = await createAdminApp({ telemetry: context.telemetry, findReadinessProblem: http.readiness.check })
  const adminListener = await openAdminListener(adminApp, settings)
  cleanups.push(adminListener.close)
  const smtpListeners = await openSmtpListeners(settings, context, { router, keys: appOptions.credentialStore, submit, sockets })
  cleanups.push(smtpListeners.close)
  network.setSmtpPort(smtpListeners.port)
  return { httpListener, adminListener, smtpListeners }
}

/** Reads everything before anything is in force. */
function reload(runtime: Runtime, settings: Settings, { smtpListeners, httpListener }: Parts): void {
  const certificate = hasConfiguredCertificate(settings) ? loadOrMakeCertificate(settings) : null
  const activateHttps = httpListener.https?.prepareReload()
  runtime.reloadRules()
  runtime.reloadShaping()
  activateHttps?.()
  if (certificate === null) return
  smtpListeners.reloadTls(certificate)
}

type RunningParts = Parts & {
  readonly stopServices: () => Promise<unknown>
  readonly commandServer: CommandServer | null
  readonly runtime: Runtime
  readonly lock: ServeLock | null
  /** Until the store is given up. */
  readonly closeTimeoutMs: number
}

/** The listeners first, then what they passed on, then the store, and the lock last. Until the store is closed, operators can watch. */
async function shutDown(parts: RunningParts): Promise<void> {
  const { state, smtpListeners, httpListener, adminListener, commandServer, verifier, intake, network, runtime, lock } = parts
  state.isClosing = true
  const { engine } = runtime.context
  // A store that does not answer must not keep the process: what still waits for it fails.
  const timer = setTimeout(() => engine.abort(), parts.closeTimeoutMs)
  await Promise.all([smtpListeners.close(), httpListener.close(), commandServer?.close(), parts.stopServices()])
  await intake.close()
  await verifier.close()
  await network.close()
  await adminListener.close()
  // Losing a few counts for alerts must not make the shutdown fail.
  await runtime.context.counterBuffer.flush(engine).catch(() => undefined)
  await runtime.close()
  clearTimeout(timer)
  lock?.release()
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => (running ??= work())
}
