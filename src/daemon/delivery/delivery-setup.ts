/**
 * delivery-setup - makes the delivery queue from the settings: transport, routing, policy, deliverer
 *
 * With mode `off` there is no queue here: accepted mail stays queued until another node delivers it, which the log says once at the start. The other
 * modes differ in routing only. When the daemon ends, mail in flight gets its reply within the time that open sessions have.
 *
 * See also: settings/delivery, service/deliver/deliverer, smtp-client/routing, daemon/app (starts and ends it), docs/DELIVERY.md.
 */
import { hostname, networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { createDnsLookup, type DnsLookup } from '../../net/dns.ts'
import { createMxResolver, destinationOf, type MxResolver } from '../../net/mx.ts'
import { readProviders, readToml } from '../../config/provider-files.ts'
import { createMtaStsPolicies } from '../../net/mta-sts.ts'
import { createMxRouter, createSmarthostRouter } from '../../smtp-client/routing.ts'
import { createSmtpTransport } from '../../smtp-client/smtp-transport.ts'
import type { Router, Transport } from '../../smtp-client/transport.ts'
import { Fault } from '../../errors.ts'
import { startProviderNetwork } from '../../simulator/smtp/provider-network.ts'
import type { Runtime } from '../bootstrap.ts'
import { createSiteTls } from './site-tls.ts'
import { parseSmarthostUrl } from './smarthost-url.ts'
import { connectionReuseOf, smtpTimeoutsOf } from './smtp-client-limits.ts'
import { type BackoffPolicy, BACKOFF_POLICIES } from '../../queue/backoff/policy.ts'
import { readPolicyFile } from '../../queue/backoff/policy-file.ts'
import { RETRY_SCHEDULES, type DeliveryRetrySchedule } from '../../queue/schedule/retry.ts'
import { speedUpPolicy, speedUpRetrySchedule } from '../../queue/backoff/policy-speed.ts'
import { egressIpsOf, egressPoolsOf, ehloNamesOf } from '../../settings/pools.ts'
import type { Settings } from '../../settings/schema.ts'
import { countQueuedMessagesForOperator } from '../../store/queue/queued-mail.ts'
import { createDeliverer } from '../../service/deliver/deliverer.ts'
import { createDeliveryAttemptLog } from '../../service/deliver/observe/attempt-log.ts'
import { readDeliveryStatus } from '../../service/deliver/queue-api.ts'
import { createRenderer } from '../../service/deliver/render.ts'
import type { Context } from '../../service/context.ts'
import { createSigningKeyCache } from '../../service/deliver/signing-keys.ts'
import type { ResolveDestination } from '../../service/deliver/queue-loader.ts'

export type DeliveryService = {
  readonly start: () => void
  /** The connections to other servers; null where nothing is delivered. */
  readonly transport: Transport | null
  /** Idempotent. */
  readonly close: () => Promise<void>
}

type DeliverySettings = Settings['delivery']

/** The routes of mail, and what is known about a domain before an attempt. */
type DestinationRouting = {
  readonly route: Router
  readonly addressesOf: MxResolver['addressesOf']
  readonly resolveDestination: ResolveDestination
}

/** DNS and, in simulated mode, the simulated providers. */
export type NetworkEnvironment = {
  readonly lookUp: DnsLookup
  /** For MX records. It has no cache, because net/mx has one of its own. */
  readonly mxLookUp: DnsLookup
  readonly route: Router | null
  /** Sets the port of the SMTP listener, to which the simulated providers send their reports. */
  readonly setSmtpPort: (port: number) => void
  readonly close: () => Promise<void>
}

/** The real resolver, with a cache of an hour and without. */
type DnsLookUps = { readonly cached: DnsLookup; readonly uncached: DnsLookup }

/** DKIM keys change rarely, and a TTL of an hour is usual. Ten thousand names take a few megabytes. */
const DNS_CACHE = { cacheMs: 3_600_000, cacheSize: 10_000 }

/** Creates both. `replacement` stands for both in tests. */
export function createDnsLookUps({ dns }: Settings, replacement: DnsLookup | undefined): DnsLookUps {
  const options = { servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000 }
  return {
    cached: replacement ?? createDnsLookup({ ...options, ...DNS_CACHE }),
    uncached: replacement ?? createDnsLookup({ ...options, cacheMs: 1, cacheSize: 1 }),
  }
}

/** Opens the resolver or the simulated network. Faults: config_invalid. */
export async function openNetworkEnvironment(
  { host, delivery: deliverySettings, smtp }: Settings,
  { cached, uncached }: DnsLookUps,
): Promise<NetworkEnvironment> {
  const smtpEndpoint = { host, port: smtp.port }
  const setSmtpPort = (port: number): void => {
    smtpEndpoint.port = port
  }
  if (deliverySettings.mode !== 'simulated')
    return { lookUp: cached, mxLookUp: uncached, route: null, setSmtpPort, close: () => Promise.resolve() }
  const { simulatedSpeed: speed, simulatedSeed: seed } = deliverySettings
  const simulatedNetwork = await startProviderNetwork({
    providers: readProviders(deliverySettings.simulatedProviders),
    reportServer: () => smtpEndpoint,
    speed,
    seed,
  })
  return { ...simulatedNetwork, mxLookUp: simulatedNetwork.lookUp, setSmtpPort }
}

/** Creates the service; nothing is sent before `start`. Faults: config_invalid. */
export function createDeliveryService(runtime: Runtime, settings: Settings, network: NetworkEnvironment): DeliveryService {
  const { delivery: deliverySettings } = settings
  if (deliverySettings.mode === 'off') return createIdleDeliveryService(runtime.context)
  const context = withAttemptLog(runtime.context, deliverySettings)
  if (deliverySettings.mode !== 'simulated') reportUnassignedIps(context, deliverySettings)
  const { route, addressesOf, resolveDestination } = ROUTING_BY_MODE[deliverySettings.mode](context, deliverySettings, network)
  const ehlo = deliverySettings.ehlo ?? hostname()
  // Simulated providers run faster than the clock, and the queue must keep pace with them.
  const speedFactor = deliverySettings.mode === 'simulated' ? deliverySettings.simulatedSpeed : 1
  const transport = createSmtpTransport({
    router: route,
    addressesOf,
    ehloName: ehloNamesOf(deliverySettings, ehlo),
    allowPrivate: deliverySettings.allowPrivate,
    timeouts: smtpTimeoutsOf(deliverySettings),
    poolLimits: connectionReuseOf(deliverySettings),
    trace: context.telemetry.trace,
    log: context.telemetry.log,
  })
  const deliverer = createDeliverer(context, {
    transport,
    resolveDestination,
    render: createRenderer(context, createSigningKeyCache(context.engine, runtime.vault)),
    policy: speedUpPolicy(loadPolicy(deliverySettings.policy), speedFactor),
    retry: speedUpRetrySchedule(retryScheduleOf(deliverySettings), speedFactor),
    pools: egressPoolsOf(deliverySettings),
    poolRules: deliverySettings.poolRules,
    concurrencyLimit: deliverySettings.lines,
    siteConcurrencyLimit: deliverySettings.linesPerSite,
    shapingSpeed: speedFactor,
    maxInFlightBytes: deliverySettings.inFlightBytes,
    node: nodeNameOf(settings),
    leaseMs: deliverySettings.leaseSeconds * 1_000,
    uncertainMs: deliverySettings.uncertainSeconds * 1_000,
    closeTimeoutMs: settings.limits.closeSeconds * 1_000,
  })
  return { start: deliverer.start, transport, close: () => closeInOrder(deliverer, transport, context.attemptLog) }
}

/** The connections end after the attempts, and the log when it has all of them. */
async function closeInOrder(...parts: readonly ({ readonly close: () => Promise<void> } | undefined)[]): Promise<void> {
  for (const part of parts) await part?.close()
}

/** The context of a deliverer that logs its attempts, if the settings ask for it. */
function withAttemptLog(context: Context, deliverySettings: DeliverySettings): Context {
  const { attemptLog: path, attemptLogBytes: maxBytes, attemptLogFiles: keptFiles, attemptLogRecipients: withRecipients } = deliverySettings
  if (path === undefined) return context
  const attemptLog = createDeliveryAttemptLog({ path: resolve(path), maxBytes, keptFiles, withRecipients, telemetry: context.telemetry })
  return { ...context, attemptLog }
}

/** The name of this node among those that share a store. */
export const nodeNameOf = ({ delivery, data }: Settings): string => delivery.node ?? `${hostname()}:${resolve(data)}`

/** For mode `off`: counts the queued mail at the start, and warns when no other node delivers it. */
function createIdleDeliveryService({ engine, telemetry, now }: Context): DeliveryService {
  let running: Promise<void> = Promise.resolve()
  const reportQueued = async (): Promise<void> => {
    const { delivering } = await readDeliveryStatus(engine.read, now())
    const queuedCount = await countQueuedMessagesForOperator(engine.read)
    telemetry.setGauge('bounced_queue_lease_held', 0)
    telemetry.setGauge('bounced_queue_lane_groups', 0)
    telemetry.setGauge('bounced_queue_waiting', queuedCount)
    if (queuedCount > 0 && !delivering)
      telemetry.log.warn(
        { waiting: queuedCount },
        'accepted mail is queued, but no node delivers it: set delivery.mode here or on another node',
      )
  }
  return {
    start: () => {
      running = reportQueued().catch((error: unknown) => telemetry.log.error({ err: error }, 'queued mail could not be counted'))
    },
    transport: null,
    close: () => running,
  }
}

/** Reports egress IPs that this machine does not have: every attempt from them would fail and look like a network failure. */
function reportUnassignedIps({ telemetry }: Context, deliverySettings: DeliverySettings): void {
  const localIps = new Set(Object.values(networkInterfaces()).flatMap((each = []) => each.map(({ address }) => address)))
  const unassigned = [...egressIpsOf(deliverySettings)].filter((ip) => isIP(ip) !== 0 && !localIps.has(ip))
  if (unassigned.length > 0)
    telemetry.log.error({ egressIps: unassigned }, 'the pools of delivery name addresses that this machine does not have')
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const retryScheduleOf = ({ retryMinutes, giveUpDays }: DeliverySettings): DeliveryRetrySchedule => ({
  ...RETRY_SCHEDULES.default,
  delaysMs: retryMinutes.map((minutes) => minutes * MINUTE_MS),
  giveUpMs: giveUpDays * DAY_MS,
})

const isBuiltInPolicy = (name: string): name is keyof typeof BACKOFF_POLICIES => Object.hasOwn(BACKOFF_POLICIES, name)
export const loadPolicy = (name: string): BackoffPolicy =>
  isBuiltInPolicy(name) ? BACKOFF_POLICIES[name] : readPolicyFile(name, readToml(name))

const ROUTING_BY_MODE = { mx: createMxRouting, smarthost: createSmarthostRouting, simulated: createMxRouting } as const satisfies Record<
  Exclude<DeliverySettings['mode'], 'off'>,
  (context: Context, deliverySettings: DeliverySettings, network: NetworkEnvironment) => DestinationRouting
>

/** The simulated network has its own routes and MX records. */
function createMxRouting(context: Context, { tls }: DeliverySettings, { mxLookUp, route }: NetworkEnvironment): DestinationRouting {
  const { rules: ruleTable, knownSites } = context
  const mx = createMxResolver({ lookUp: mxLookUp })
  return {
    // Spreads mail over hosts of equal preference (RFC 5321 §5.1).
    route: route ?? createMxRouter({ mx, tlsOf: createSiteTls(context, tls, createMtaStsPolicies(mxLookUp)), random: Math.random }),
    addressesOf: mx.addressesOf,
    resolveDestination: async (domain) => {
      const destination = destinationOf(ruleTable(), domain, await mx.find(domain))
      knownSites?.set(domain, destination.site)
      return destination
    },
  }
}

/** Backoff keys still use the recipient's domain, because the provider behind the smart host refuses the mail. */
function createSmarthostRouting(
  { rules: ruleTable }: Context,
  { smarthost, tls }: DeliverySettings,
  { mxLookUp }: NetworkEnvironment,
): DestinationRouting {
  if (smarthost === undefined)
    throw new Fault('config_invalid', 'delivery.mode smarthost needs delivery.smarthost, as smtp://USER:PASSWORD@HOST:587')
  const host = parseSmarthostUrl(smarthost, tls)
  const hosts = { kind: 'hosts', hosts: [{ name: host.host, preference: 0 }], implicit: true, set: host.host } as const
  return {
    route: createSmarthostRouter(host),
    addressesOf: createMxResolver({ lookUp: mxLookUp }).addressesOf,
    resolveDestination: (domain) => Promise.resolve(destinationOf(ruleTable(), domain, hosts)),
  }
}
