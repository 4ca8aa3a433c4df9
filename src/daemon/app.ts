/**
 * app - the daemon: every part made once, joined, started and ended in order
 *
 * Start: store, rules, receiver, then the doors; `ready` only when both listen. End: no new connections, running sessions answered, the
 * last batch committed, the store closed. A reload takes rules and certificate, each whole or not at all.
 *
 * See also: opening (store, keys, rules), commands/serve (signals and what is printed).
 */
import { findAccountByApiUser, createAuthenticator } from './accounts.ts'
import type { FirstCredentials } from './accounts.ts'
import { createSignatureVerifier } from '../mail-auth/verify-signatures.ts'
import type { SignatureVerifier } from '../mail-auth/verify-signatures.ts'
import { createDnsLookup } from '../net/dns.ts'
import type { DnsLookup } from '../net/dns.ts'
import { createDeliveryService, openNetworkEnvironment } from './delivery-setup.ts'
import type { DeliveryService, NetworkEnvironment } from './delivery-setup.ts'
import {
  explainListenErrors,
  loadOrMakeCertificate,
  hasConfiguredCertificate,
  openInboundListener,
  openSubmissionListener,
} from './smtp-listeners.ts'
import { claimForwardDomains, createOutboundServices } from './outbound-services.ts'
import type { OutboundServices } from './outbound-services.ts'
import type { SmtpListener } from '../smtp-server/listener.ts'
import { FLOOD_RULES } from '../ledger/alert/flood.ts'
import { openContext } from './bootstrap.ts'
import type { Runtime } from './bootstrap.ts'
import type { Settings } from '../settings/schema.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Services } from '../http/services.ts'
import type { HttpServer } from '../http/server/http-server.ts'
import { createReadServices } from '../http/read-services.ts'
import { createHttpApp } from '../http/app.ts'
import { createWriteServices } from '../http/write-services.ts'
import { startScheduledJobs } from './scheduled-jobs.ts'
import { createDkimKeyService } from '../service/admin/dkim.ts'
import type { DkimKeyService } from '../service/admin/dkim.ts'
import { createExporter, startExporter } from '../service/export/exporter.ts'
import { createExportService } from '../service/export/exports.ts'
import type { ExportService } from '../service/export/exports.ts'
import { createFloodMonitor } from '../service/receive/flood-monitor.ts'
import type { FloodRules } from '../service/receive/flood-monitor.ts'
import { createReceiver } from '../service/receive/receive.ts'
import type { Receiver } from '../service/receive/receive.ts'
import { createSubmit } from '../service/submit/submit.ts'
import type { Submit } from '../service/submit/submit.ts'

export type App = {
  readonly smtpPort: number
  readonly httpPort: number
  /** Null: there is no such door. */
  readonly submissionPort: number | null
  readonly firstCredentials: FirstCredentials | null
  /** Rules and certificate again. Faults: rule_invalid, config_invalid; what was in force stays. */
  readonly reload: () => void
  /** Ends in order. Idempotent. */
  readonly close: () => Promise<void>
}

/** What a test puts in the place of the world. */
export type AppOverrides = { readonly lookUp?: DnsLookup }

/** Starts the daemon; resolves once both doors listen. Faults: config_invalid, store_busy, store_newer, rule_invalid. */
export async function startApp(settings: Settings, telemetry: Telemetry, overrides: AppOverrides = {}): Promise<App> {
  const runtime = await openContext({ settings, telemetry })
  const cleanups: (() => Promise<unknown>)[] = [runtime.close]
  try {
    const { context } = runtime
    const cachedLookUp = overrides.lookUp ?? createDnsLookup(dnsOptions(settings))
    // A record that was just published must be seen at once.
    const uncachedLookUp = overrides.lookUp ?? createDnsLookup({ ...dnsOptions(settings), cacheMs: 1, cacheSize: 1 })
    const network = await openNetworkEnvironment(settings, { cached: cachedLookUp, uncached: uncachedLookUp })
    cleanups.push(network.close)
    const verifier = createSignatureVerifier(network.lookUp)
    const floodMonitor = createFloodMonitor(context, floodRulesOf(settings))
    const receiver = createReceiver(context, { prover: verifier, dryRun: false, notifyReplays: false, floodMonitor })
    cleanups.push(receiver.waitUntilIdle)
    await claimForwardDomains(runtime, settings)
    const outbound = createOutboundServices(runtime, settings)
    cleanups.push(outbound.close)
    const exporter = createExporter(context, settings.exports)
    const exports = createExportService(context, settings.exports, () => void exporter.tick())
    const deliveryService = createDeliveryService(runtime, settings, network)
    const state = { isClosing: false }
    const { nudge } = deliveryService
    const dkim = createDkimKeyService(context, { vault: runtime.vault, lookUp: uncachedLookUp })
    const submit = createSubmit(context, { onQueued: nudge, recipientsPerDay: settings.submission.recipientsPerDay ?? null })
    const appParts = httpAppOptions(runtime, { settings, verifier, outbound, exports, submit, dkim, isOpen: () => !state.isClosing })
    const httpServer = await createHttpApp(appParts)
    await explainListenErrors(settings, 'http', () => httpServer.listen({ host: settings.host, port: settings.http.port }))
    cleanups.push(() => httpServer.close())
    const httpPort = portOf(httpServer)
    runtime.setHttpPort(httpPort)
    const reportListener = await explainListenErrors(settings, 'smtp', () => openInboundListener(settings, context, { receiver, outbound }))
    cleanups.push(reportListener.close)
    network.setSmtpPort(reportListener.port)
    const submissionListener = await explainListenErrors(settings, 'submission', () =>
      openSubmissionListener(settings, context, { keys: appParts.credentialStore, submit }),
    )
    const listeners = [reportListener, ...(submissionListener === null ? [] : [submissionListener])]
    const stopJobs = startScheduledJobs(context, settings, { lookUp: uncachedLookUp, evaluateAlerts: outbound.evaluateAlerts })
    const stopWebhooks = outbound.start()
    deliveryService.start()
    const stopExporter = startExporter(exporter)
    const reload = (): void => {
      // Both are read before either is in force.
      const certificate = hasConfiguredCertificate(settings) ? loadOrMakeCertificate(settings) : null
      runtime.reloadRules()
      if (certificate !== null) for (const listener of listeners) listener.reloadTls(certificate)
    }
    const close = once(() =>
      shutDown({
        state,
        listeners,
        httpServer,
        receiver,
        outbound,
        stopJobs,
        stopWebhooks,
        stopExporter,
        deliveryService,
        network,
        runtime,
      }),
    )
    return {
      smtpPort: reportListener.port,
      httpPort,
      submissionPort: submissionListener?.port ?? null,
      firstCredentials: runtime.firstCredentials,
      reload,
      close,
    }
  } catch (error) {
    for (const cleanUp of cleanups.toReversed()) await cleanUp()
    throw error
  }
}

type RunningParts = {
  readonly state: { isClosing: boolean }
  readonly listeners: readonly SmtpListener[]
  readonly httpServer: HttpServer
  readonly receiver: Receiver
  readonly outbound: OutboundServices
  readonly stopJobs: () => Promise<void>
  readonly stopWebhooks: () => Promise<void>
  readonly stopExporter: () => Promise<void>
  readonly deliveryService: DeliveryService
  readonly network: NetworkEnvironment
  readonly runtime: Runtime
}

/** Doors first, then what they handed over, then the store. */
async function shutDown(appParts: RunningParts): Promise<void> {
  const { state, listeners, httpServer, receiver, outbound, stopJobs, stopWebhooks, stopExporter, deliveryService, network, runtime } =
    appParts
  state.isClosing = true
  await Promise.all([
    ...listeners.map((listener) => listener.close()),
    httpServer.close(),
    stopJobs(),
    stopWebhooks(),
    stopExporter(),
    deliveryService.close(),
  ])
  await Promise.all([receiver.waitUntilIdle(), outbound.forwarder.waitUntilIdle()])
  await network.close()
  // Counts for alerts are worth a try and no more.
  await runtime.context.counterBuffer.flush(runtime.context.engine).catch(() => undefined)
  await runtime.close()
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => (running ??= work())
}

type HttpDependencies = {
  readonly settings: Settings
  readonly verifier: SignatureVerifier
  readonly outbound: OutboundServices
  readonly exports: ExportService
  readonly submit: Submit
  readonly dkim: DkimKeyService
  readonly isOpen: () => boolean
}

function httpAppOptions(
  { context }: Runtime,
  { settings, verifier, outbound, exports, submit, dkim, isOpen }: HttpDependencies,
): Parameters<typeof createHttpApp>[0] {
  const { read } = context.engine
  const { requestsPerMinute, recipientsPerRequest, attemptsPerRequest, emailStatusDays } = settings.limits
  const services: Services = {
    now: context.now,
    ...createReadServices(read, context.now),
    ...createWriteServices(context, verifier),
    webhooks: outbound.webhooks,
    forwarding: outbound.forwardDomains,
    alerts: outbound.alerts,
    exports,
    submit,
    dkim,
  }
  return {
    telemetry: context.telemetry,
    services,
    credentialStore: createAuthenticator(read, context.now),
    findAccount: (apiUser) => findAccountByApiUser(read, apiUser),
    isReady: async () => isOpen() && (await read.one('select 1 as one')) !== null,
    limits: { bodyBytes: settings.http.bodyBytes, requestsPerMinute, recipientsPerRequest, attemptsPerRequest, emailStatusDays },
    trustProxy: settings.http.trustProxy,
    httpLimits: settings.http,
    responseCacheMode: settings.compatible.answers,
  }
}

function floodRulesOf({ flood }: Settings): FloodRules {
  return {
    account: { ...FLOOD_RULES.account, reports: flood.accountReports },
    peer: { ...FLOOD_RULES.peer, reports: flood.peerReports },
    token: { ...FLOOD_RULES.token, reports: flood.tokenReports },
  }
}

/** Keys change rarely: their records say for how long, and an hour is the usual word. Ten thousand names are a few megabytes. */
const DNS_CACHE = { cacheMs: 3_600_000, cacheSize: 10_000 }

function dnsOptions({ dns }: Settings): Parameters<typeof createDnsLookup>[0] {
  return { servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, ...DNS_CACHE }
}

function portOf(httpServer: HttpServer): number {
  const address = httpServer.server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}
