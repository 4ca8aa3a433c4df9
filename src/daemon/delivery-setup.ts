/**
 * delivery-setup - the delivery queue's parts, made from the settings and joined
 *
 * With mode off there is none: mail that is accepted waits for a node that delivers, which the log says once at the start. Otherwise the mode says which way mail goes; all else
 * is the same. Started when the doors listen, ended after they are shut: in-flight mail is answered within the time that running sessions have.
 *
 * See also: settings/delivery, service/deliver/deliverer, smtp-client/routing, app (who starts and ends it), docs/DELIVERY.md.
 */
import { hostname, networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import type { DnsLookup } from '../net/dns.ts'
import { createMxResolver, destinationOf, type MxResolver } from '../net/mx.ts'
import { readProviders, readToml } from '../config/provider-files.ts'
import { createMxRouter, createSmarthostRouter, tlsPolicyFor, type Smarthost } from '../smtp-client/routing.ts'
import type { PoolLimits } from '../smtp-client/connection-pool.ts'
import { createSmtpTransport } from '../smtp-client/smtp-transport.ts'
import type { Router, TlsPolicy } from '../smtp-client/transport.ts'
import type { StepTimeouts } from '../smtp-client/step-timeouts.ts'
import { Fault } from '../errors.ts'
import { startProviderNetwork } from '../simulator/smtp/provider-network.ts'
import type { Runtime } from './bootstrap.ts'
import { type BackoffPolicy, BACKOFF_POLICIES } from '../queue/backoff/policy.ts'
import { readPolicyFile } from '../queue/backoff/policy-file.ts'
import { RETRY_SCHEDULES, type DeliveryRetrySchedule } from '../queue/schedule/retry.ts'
import { speedUpPolicy, speedUpRetrySchedule } from '../queue/backoff/policy-speed.ts'
import { egressIpsOf, egressPoolsOf } from '../settings/pools.ts'
import type { Settings } from '../settings/schema.ts'
import { countQueuedMessagesForOperator } from '../store/queue/queued-mail.ts'
import { createDeliverer } from '../service/deliver/deliverer.ts'
import { readDeliveryStatus } from '../service/deliver/queue-api.ts'
import { createRenderer } from '../service/deliver/render.ts'
import type { Context } from '../service/context.ts'
import { createSigningKeyCache } from '../service/deliver/signing-keys.ts'
import type { ResolveDestination } from '../service/deliver/queue-loader.ts'

export type DeliveryService = {
  readonly start: () => void
  /** Mail was accepted, or an order given. */
  readonly nudge: () => void
  /** Idempotent. */
  readonly close: () => Promise<void>
}

type DeliverySettings = Settings['delivery']

/** Which way mail goes, and what is known of a domain beforehand. */
type DestinationRouting = {
  readonly route: Router
  readonly addressesOf: MxResolver['addressesOf']
  readonly resolveDestination: ResolveDestination
}

/** The world that mail goes out into: the resolver, and the laboratory where that is the world. */
export type NetworkEnvironment = {
  readonly lookUp: DnsLookup
  /** For the hosts of domains: it keeps nothing, for net/mx keeps answers for as long as an MX may stand. */
  readonly mxLookUp: DnsLookup
  readonly route: Router | null
  /** Tells the port that SMTP got: the laboratory's reports come back to it. */
  readonly setSmtpPort: (port: number) => void
  readonly close: () => Promise<void>
}

/** The real world's resolver, with answers that are kept for an hour, and without. */
type DnsLookUps = { readonly cached: DnsLookup; readonly uncached: DnsLookup }

/** Opens it. Faults: config_invalid. */
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

/** Makes it; nothing is sent before `start`. Faults: config_invalid. */
export function createDeliveryService({ context, vault }: Runtime, settings: Settings, network: NetworkEnvironment): DeliveryService {
  const { delivery: deliverySettings } = settings
  if (deliverySettings.mode === 'off') return createIdleDeliveryService(context)
  if (deliverySettings.mode !== 'simulated') reportUnassignedIps(context, deliverySettings)
  const { route, addressesOf, resolveDestination } = ROUTING_BY_MODE[deliverySettings.mode](context, deliverySettings, network)
  const ehlo = deliverySettings.ehlo ?? hostname()
  // Providers whose hour is a minute want a queue whose hour is one.
  const speedFactor = deliverySettings.mode === 'simulated' ? deliverySettings.simulatedSpeed : 1
  const transport = createSmtpTransport({
    router: route,
    addressesOf,
    ehloName: ehlo,
    allowPrivate: deliverySettings.allowPrivate,
    timeouts: smtpTimeoutsOf(deliverySettings),
    poolLimits: connectionReuseOf(deliverySettings),
    log: context.telemetry.log,
  })
  const deliverer = createDeliverer(context, {
    transport,
    resolveDestination,
    render: createRenderer(context, createSigningKeyCache(context.engine, vault)),
    policy: speedUpPolicy(loadPolicy(deliverySettings.policy), speedFactor),
    retry: speedUpRetrySchedule(retryScheduleOf(deliverySettings), speedFactor),
    pools: egressPoolsOf(deliverySettings),
    concurrencyLimit: deliverySettings.lines,
    siteConcurrencyLimit: deliverySettings.linesPerSite,
    maxInFlightBytes: deliverySettings.inFlightBytes,
    node: deliverySettings.node ?? `${hostname()}:${resolve(settings.data)}`,
    leaseMs: deliverySettings.leaseSeconds * 1_000,
    closeTimeoutMs: settings.limits.closeSeconds * 1_000,
  })
  return { start: deliverer.start, nudge: deliverer.nudge, close: () => deliverer.close().then(transport.close) }
}

/** Nobody delivers here. Mail that waits is counted at the start, and told of where no other node delivers it. */
function createIdleDeliveryService({ engine, telemetry, now }: Context): DeliveryService {
  let running: Promise<void> = Promise.resolve()
  const reportQueued = async (): Promise<void> => {
    const { delivering } = await readDeliveryStatus(engine.read, now())
    const queuedCount = await countQueuedMessagesForOperator(engine.read)
    telemetry.setGauge('bounced_queue_lease_held', 0)
    telemetry.setGauge('bounced_queue_waiting', queuedCount)
    if (queuedCount > 0 && !delivering)
      telemetry.log.warn({ waiting: queuedCount }, 'accepted mail waits and nobody delivers it: set delivery.mode here or on another node')
  }
  return {
    start: () => {
      running = reportQueued().catch((error: unknown) => telemetry.log.error({ err: error }, 'waiting mail could not be counted'))
    },
    nudge: () => undefined,
    close: () => running,
  }
}

/** The limits of time of a dialogue. */
export const smtpTimeoutsOf = (deliverySettings: DeliverySettings): StepTimeouts => ({
  connectMs: deliverySettings.connectSeconds * 1_000,
  greetingMs: deliverySettings.greetingSeconds * 1_000,
  commandMs: deliverySettings.commandSeconds * 1_000,
  blockMs: deliverySettings.blockSeconds * 1_000,
  endMs: deliverySettings.endSeconds * 1_000,
})

/** How connections are kept. */
export const connectionReuseOf = (deliverySettings: DeliverySettings): PoolLimits => ({
  mailsPerConnection: deliverySettings.connectionMails,
  idleTimeoutMs: deliverySettings.connectionIdleSeconds * 1_000,
  maxIdle: deliverySettings.idleConnections,
})

/** An address that this machine does not have cannot be left by: every attempt would fail, and look like a dead network. */
function reportUnassignedIps({ telemetry }: Context, deliverySettings: DeliverySettings): void {
  const localIps = new Set(Object.values(networkInterfaces()).flatMap((each = []) => each.map(({ address }) => address)))
  const unassigned = [...egressIpsOf(deliverySettings)].filter((ip) => isIP(ip) !== 0 && !localIps.has(ip))
  if (unassigned.length > 0)
    telemetry.log.error({ egressIps: unassigned }, 'delivery.egressIps names addresses that this machine does not have')
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const retryScheduleOf = ({ retryMinutes, giveUpDays }: DeliverySettings): DeliveryRetrySchedule => ({
  ...RETRY_SCHEDULES.default,
  delaysMs: retryMinutes.map((minutes) => minutes * MINUTE_MS),
  giveUpMs: giveUpDays * DAY_MS,
})

const isBuiltInPolicy = (name: string): name is keyof typeof BACKOFF_POLICIES => Object.hasOwn(BACKOFF_POLICIES, name)
const loadPolicy = (name: string): BackoffPolicy => (isBuiltInPolicy(name) ? BACKOFF_POLICIES[name] : readPolicyFile(name, readToml(name)))

const ROUTING_BY_MODE = { mx: createMxRouting, smarthost: createSmarthostRouting, simulated: createMxRouting } as const satisfies Record<
  Exclude<DeliverySettings['mode'], 'off'>,
  (context: Context, deliverySettings: DeliverySettings, network: NetworkEnvironment) => DestinationRouting
>

/** The laboratory has its own routes, and its own MX records. */
function createMxRouting(
  { rules: ruleTable }: Context,
  { tls }: DeliverySettings,
  { mxLookUp, route }: NetworkEnvironment,
): DestinationRouting {
  const mx = createMxResolver({ lookUp: mxLookUp })
  return {
    // Chance only spreads mail over hosts of one preference.
    route: route ?? createMxRouter({ mx, tlsOf: (host) => tlsPolicyFor(ruleTable(), tls, host), random: Math.random }),
    addressesOf: mx.addressesOf,
    resolveDestination: async (domain) => destinationOf(ruleTable(), domain, await mx.find(domain)),
  }
}

/** Pauses go by the recipient's domain all the same: behind the smart host its provider says no. */
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

const SUBMISSION_PORT = 587
const SUBMISSIONS_PORT = 465

function parseSmarthostUrl(text: string, tls: TlsPolicy): Smarthost {
  const url = new URL(text)
  const implicitTls = url.protocol === 'smtps:'
  const port = url.port === '' ? (implicitTls ? SUBMISSIONS_PORT : SUBMISSION_PORT) : Number(url.port)
  const login = url.username === '' ? null : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, login, tls, implicitTls }
}
