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
import type { LookUp } from '../net/dns.ts'
import { createMxLookUp, destinationOf, type MxLookUp } from '../net/mx.ts'
import { readProviders, readToml } from '../config/provider-files.ts'
import { mxRoute, smarthostRoute, tlsAt, type Smarthost } from '../smtp-client/routing.ts'
import type { Keeping } from '../smtp-client/connection-pool.ts'
import { createSmtpTransport } from '../smtp-client/smtp-transport.ts'
import type { Router, TlsPolicy } from '../smtp-client/transport.ts'
import type { Patience } from '../smtp-client/step-timeouts.ts'
import { Fault } from '../errors.ts'
import { startLab } from '../simulator/smtp/provider-network.ts'
import type { Opening } from './bootstrap.ts'
import { type Policy, POLICIES } from '../queue/backoff/policy.ts'
import { readPolicy } from '../queue/backoff/policy-file.ts'
import { RETRY, type RetryLadder } from '../queue/schedule/retry.ts'
import { hastenPolicy, hastenRetry } from '../queue/backoff/policy-speed.ts'
import { egressIpsOf, poolsOf } from '../settings/pools.ts'
import type { Settings } from '../settings/schema.ts'
import { countQueuedForOperator } from '../store/queue/queued-mail.ts'
import { createDeliverer } from '../service/deliver/deliverer.ts'
import { deliveryOf } from '../service/deliver/queue-api.ts'
import { createRender } from '../service/deliver/render.ts'
import type { Shop } from '../service/context.ts'
import { createSigners } from '../service/deliver/signing-keys.ts'
import type { PlaceOf } from '../service/deliver/queue-loader.ts'

export type Delivery = {
  readonly start: () => void
  /** Mail was accepted, or an order given. */
  readonly nudge: () => void
  /** Idempotent. */
  readonly close: () => Promise<void>
}

type Rules = Settings['delivery']

/** Which way mail goes, and what is known of a domain beforehand. */
type Way = { readonly route: Router; readonly addressesOf: MxLookUp['addressesOf']; readonly placeOf: PlaceOf }

/** The world that mail goes out into: the resolver, and the laboratory where that is the world. */
export type Ground = {
  readonly lookUp: LookUp
  /** For the hosts of domains: it keeps nothing, for net/mx keeps answers for as long as an MX may stand. */
  readonly mxLookUp: LookUp
  readonly route: Router | null
  /** Tells the port that SMTP got: the laboratory's reports come back to it. */
  readonly atSmtpPort: (port: number) => void
  readonly close: () => Promise<void>
}

/** The real world's resolver, with answers that are kept for an hour, and without. */
export type LookUps = { readonly kept: LookUp; readonly fresh: LookUp }

/** Opens it. Faults: config_invalid. */
export async function openGround({ host, delivery: rules, smtp }: Settings, { kept, fresh }: LookUps): Promise<Ground> {
  const home = { host, port: smtp.port }
  const atSmtpPort = (port: number): void => {
    home.port = port
  }
  if (rules.mode !== 'simulated') return { lookUp: kept, mxLookUp: fresh, route: null, atSmtpPort, close: () => Promise.resolve() }
  const { simulatedSpeed: speed, simulatedSeed: seed } = rules
  const lab = await startLab({ providers: readProviders(rules.simulatedProviders), home: () => home, speed, seed })
  return { ...lab, mxLookUp: lab.lookUp, atSmtpPort }
}

/** Makes it; nothing is sent before `start`. Faults: config_invalid. */
export function createDelivery({ shop, vault }: Opening, settings: Settings, ground: Ground): Delivery {
  const { delivery: rules } = settings
  if (rules.mode === 'off') return idle(shop)
  if (rules.mode !== 'simulated') tellStrangeIps(shop, rules)
  const { route, addressesOf, placeOf } = WAYS[rules.mode](shop, rules, ground)
  const ehlo = rules.ehlo ?? hostname()
  // Providers whose hour is a minute want a queue whose hour is one.
  const tempo = rules.mode === 'simulated' ? rules.simulatedSpeed : 1
  const transport = createSmtpTransport({
    route,
    addressesOf,
    ehlo,
    allowPrivate: rules.allowPrivate,
    patience: patienceOf(rules),
    keeping: keepingOf(rules),
  })
  const deliverer = createDeliverer(shop, {
    transport,
    placeOf,
    render: createRender(shop, createSigners(shop.engine, vault)),
    policy: hastenPolicy(policyOf(rules.policy), tempo),
    retry: hastenRetry(ladderOf(rules), tempo),
    pools: poolsOf(rules),
    lines: rules.lines,
    linesPerSite: rules.linesPerSite,
    inFlightBytes: rules.inFlightBytes,
    node: rules.node ?? `${hostname()}:${resolve(settings.data)}`,
    leaseMs: rules.leaseSeconds * 1_000,
    closeMs: settings.limits.closeSeconds * 1_000,
  })
  return { start: deliverer.start, nudge: deliverer.nudge, close: () => deliverer.close().then(transport.close) }
}

/** Nobody delivers here. Mail that waits is counted at the start, and told of where no other node delivers it. */
function idle({ engine, telemetry, now }: Shop): Delivery {
  let running: Promise<void> = Promise.resolve()
  const tell = async (): Promise<void> => {
    const { delivering } = await deliveryOf(engine.read, now())
    const waiting = await countQueuedForOperator(engine.read)
    telemetry.gauge('bounced_queue_delivering', 0)
    telemetry.gauge('bounced_queue_waiting', waiting)
    if (waiting > 0 && !delivering)
      telemetry.log.warn({ waiting }, 'accepted mail waits and nobody delivers it: set delivery.mode here or on another node')
  }
  return {
    start: () => {
      running = tell().catch((error: unknown) => telemetry.log.error({ err: error }, 'waiting mail could not be counted'))
    },
    nudge: () => undefined,
    close: () => running,
  }
}

/** The limits of time of a dialogue. */
export const patienceOf = (rules: Rules): Patience => ({
  connectMs: rules.connectSeconds * 1_000,
  greetingMs: rules.greetingSeconds * 1_000,
  commandMs: rules.commandSeconds * 1_000,
  blockMs: rules.blockSeconds * 1_000,
  endMs: rules.endSeconds * 1_000,
})

/** How connections are kept. */
export const keepingOf = (rules: Rules): Keeping => ({
  mails: rules.connectionMails,
  idleMs: rules.connectionIdleSeconds * 1_000,
  idle: rules.idleConnections,
})

/** An address that this machine does not have cannot be left by: every attempt would fail, and look like a dead network. */
function tellStrangeIps({ telemetry }: Shop, rules: Rules): void {
  const own = new Set(Object.values(networkInterfaces()).flatMap((each = []) => each.map(({ address }) => address)))
  const strange = [...egressIpsOf(rules)].filter((ip) => isIP(ip) !== 0 && !own.has(ip))
  if (strange.length > 0) telemetry.log.error({ egressIps: strange }, 'delivery.egressIps names addresses that this machine does not have')
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const ladderOf = ({ retryMinutes, giveUpDays }: Rules): RetryLadder => ({
  ...RETRY.default,
  rungs: retryMinutes.map((minutes) => minutes * MINUTE_MS),
  giveUpMs: giveUpDays * DAY_MS,
})

const isShipped = (name: string): name is keyof typeof POLICIES => Object.hasOwn(POLICIES, name)
const policyOf = (name: string): Policy => (isShipped(name) ? POLICIES[name] : readPolicy(name, readToml(name)))

const WAYS = { mx: byMx, smarthost: bySmarthost, simulated: byMx } as const satisfies Record<
  Exclude<Rules['mode'], 'off'>,
  (shop: Shop, rules: Rules, ground: Ground) => Way
>

/** The laboratory has its own routes, and its own MX records. */
function byMx({ rules: table }: Shop, { tls }: Rules, { mxLookUp, route }: Ground): Way {
  const mx = createMxLookUp({ lookUp: mxLookUp })
  return {
    // Chance only spreads mail over hosts of one preference.
    route: route ?? mxRoute({ mx, tlsOf: (host) => tlsAt(table(), tls, host), random: Math.random }),
    addressesOf: mx.addressesOf,
    placeOf: async (domain) => destinationOf(table(), domain, await mx.find(domain)),
  }
}

/** Pauses go by the recipient's domain all the same: behind the smart host its provider says no. */
function bySmarthost({ rules: table }: Shop, { smarthost, tls }: Rules, { mxLookUp }: Ground): Way {
  if (smarthost === undefined)
    throw new Fault('config_invalid', 'delivery.mode smarthost needs delivery.smarthost, as smtp://USER:PASSWORD@HOST:587')
  const host = smarthostOf(smarthost, tls)
  const hosts = { kind: 'hosts', hosts: [{ name: host.host, preference: 0 }], implicit: true, set: host.host } as const
  return {
    route: smarthostRoute(host),
    addressesOf: createMxLookUp({ lookUp: mxLookUp }).addressesOf,
    placeOf: (domain) => Promise.resolve(destinationOf(table(), domain, hosts)),
  }
}

const SUBMISSION_PORT = 587
const SUBMISSIONS_PORT = 465

function smarthostOf(text: string, tls: TlsPolicy): Smarthost {
  const url = new URL(text)
  const implicitTls = url.protocol === 'smtps:'
  const port = url.port === '' ? (implicitTls ? SUBMISSIONS_PORT : SUBMISSION_PORT) : Number(url.port)
  const login = url.username === '' ? null : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, login, tls, implicitTls }
}
