/**
 * app - the daemon: every part made once, joined, started and ended in order
 *
 * Start: store, rules, receiver, then the doors; `ready` only when both listen. End: no new connections, running sessions answered, the
 * last batch committed, the store closed. A reload takes rules and certificate, each whole or not at all.
 *
 * See also: opening (store, keys, rules), commands/serve (signals and what is printed).
 */
import { hostname } from 'node:os'
import { accountOf, createKeys } from './accounts.ts'
import type { FirstStart } from './accounts.ts'
import { createProver } from './edge/auth.ts'
import type { Prover } from './edge/auth.ts'
import { loadCertificate, makeCertificate } from './edge/certificate.ts'
import type { Certificate } from './edge/certificate.ts'
import { createLookUp } from './edge/dns.ts'
import type { LookUp } from './edge/dns.ts'
import { createDelivery } from './delivery.ts'
import type { Delivery, Way } from './delivery.ts'
import { Fault } from './error.ts'
import { claimRoutes, createHooks } from './hooks.ts'
import type { Hooks } from './hooks.ts'
import { listenSmtp } from './intake/smtp.ts'
import type { SmtpLimits } from './intake/door.ts'
import type { SmtpListener } from './intake/smtp.ts'
import { FLOODS } from './ledger/flood.ts'
import { openShop } from './opening.ts'
import type { Opening } from './opening.ts'
import type { Settings } from './settings.ts'
import type { Telemetry } from './telemetry.ts'
import type { Desk } from './web/desk.ts'
import type { Web } from './web/server.ts'
import { createReadingDesk } from './web/storedesk.ts'
import { createWeb } from './web/web.ts'
import { createWritingDesk } from './web/workdesk.ts'
import { startChores } from './chores.ts'
import { createExporter, startExporter } from './work/exporter.ts'
import { createExports } from './work/exports.ts'
import type { Exports } from './work/exports.ts'
import { createFloodWatch } from './work/flood.ts'
import type { FloodRules } from './work/flood.ts'
import type { Shop } from './work/shop.ts'
import { createReceiver } from './work/receive.ts'
import type { Receiver } from './work/receive.ts'
import { createSubmit } from './work/submit.ts'

export type App = {
  readonly smtpPort: number
  readonly httpPort: number
  readonly first: FirstStart | null
  /** Rules and certificate again. Faults: rule_invalid, config_invalid; what was in force stays. */
  readonly reload: () => void
  /** Ends in order. Idempotent. */
  readonly close: () => Promise<void>
}

/** What a test puts in the place of the world. */
export type Outside = { readonly lookUp?: LookUp; readonly way?: Way }

/** Starts the daemon; resolves once both doors listen. Faults: config_invalid, store_busy, store_newer, rule_invalid. */
export async function startApp(settings: Settings, telemetry: Telemetry, outside: Outside = {}): Promise<App> {
  const opening = await openShop({ settings, telemetry })
  const undo: (() => Promise<unknown>)[] = [opening.close]
  try {
    const { shop } = opening
    const lookUp = outside.lookUp ?? createLookUp(dnsOptions(settings))
    const prover = createProver(lookUp)
    const watch = createFloodWatch(shop, floodRules(settings))
    const receiver = createReceiver(shop, { prover, dryRun: false, notifyReplays: false, watch })
    undo.push(receiver.idle)
    await claimRoutes(opening, settings)
    const hooks = createHooks(opening, settings)
    undo.push(hooks.close)
    const exporter = createExporter(shop, settings.exports)
    const exports = createExports(shop, settings.exports, () => void exporter.turn())
    const delivery = createDelivery(opening, settings, lookUp, outside.way)
    const state = { isClosing: false }
    const web = await createWeb(webParts(opening, { settings, prover, hooks, exports, delivery, isOpen: () => !state.isClosing }))
    await atPort(settings, 'http', () => web.listen({ host: settings.host, port: settings.http.port }))
    undo.push(() => web.close())
    const httpPort = portOf(web)
    opening.atHttpPort(httpPort)
    const smtp = await atPort(settings, 'smtp', () => openSmtp(settings, shop, { receiver, hooks }))
    const stopChores = startChores(shop, settings)
    const stopWebhooks = hooks.start()
    delivery.start()
    const stopExporter = startExporter(exporter)
    const reload = (): void => {
      // Both are read before either is in force.
      const certificate = hasCertificate(settings) ? certificateOf(settings) : null
      opening.reloadRules()
      if (certificate !== null) smtp.reloadTls(certificate)
    }
    const close = once(() => closeInOrder({ state, smtp, web, receiver, hooks, stopChores, stopWebhooks, stopExporter, delivery, opening }))
    return { smtpPort: smtp.port, httpPort, first: opening.first, reload, close }
  } catch (error) {
    for (const end of undo.toReversed()) await end()
    throw error
  }
}

/** Why a door could not be opened, in words that say what to set. */
const SHUT: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'may not be opened by this user',
  EADDRNOTAVAIL: 'cannot be had: the host (BOUNCED_HOST) is no address of this machine',
}

/** Faults: conflict, naming the port and the variable that sets it. */
async function atPort<T>(settings: Settings, door: 'http' | 'smtp', open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : null
    const why = typeof code === 'string' ? SHUT[code] : undefined
    if (why === undefined) throw cause
    const where = `port ${settings[door].port} on ${settings.host}`
    throw new Fault('conflict', `${where} ${why}; choose another with BOUNCED_${door.toUpperCase()}_PORT`, { cause })
  }
}

type Parts = {
  readonly state: { isClosing: boolean }
  readonly smtp: SmtpListener
  readonly web: Web
  readonly receiver: Receiver
  readonly hooks: Hooks
  readonly stopChores: () => Promise<void>
  readonly stopWebhooks: () => Promise<void>
  readonly stopExporter: () => Promise<void>
  readonly delivery: Delivery
  readonly opening: Opening
}

/** Doors first, then what they handed over, then the store. */
async function closeInOrder(parts: Parts): Promise<void> {
  const { state, smtp, web, receiver, hooks, stopChores, stopWebhooks, stopExporter, delivery, opening } = parts
  state.isClosing = true
  await Promise.all([smtp.close(), web.close(), stopChores(), stopWebhooks(), stopExporter(), delivery.close()])
  await Promise.all([receiver.idle(), hooks.routeDoor.idle()])
  await opening.close()
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => (running ??= work())
}

type WebWish = {
  readonly settings: Settings
  readonly prover: Prover
  readonly hooks: Hooks
  readonly exports: Exports
  readonly delivery: Delivery
  readonly isOpen: () => boolean
}

function webParts({ shop }: Opening, { settings, prover, hooks, exports, delivery, isOpen }: WebWish): Parameters<typeof createWeb>[0] {
  const { read } = shop.engine
  const { requestsPerMinute, recipientsPerRequest, attemptsPerRequest, emailStatusDays } = settings.limits
  const submit = createSubmit(shop, delivery)
  const desk: Desk = {
    now: shop.now,
    ...createReadingDesk(read, shop.now),
    ...createWritingDesk(shop, prover),
    webhooks: hooks.webhooks,
    routes: hooks.routes,
    exports,
    submit,
  }
  return {
    telemetry: shop.telemetry,
    desk,
    keys: createKeys(read, shop.now),
    accountOf: (apiUser) => accountOf(read, apiUser),
    isReady: async () => isOpen() && (await read.one('select 1 as one')) !== null,
    limits: { bodyBytes: settings.http.bodyBytes, requestsPerMinute, recipientsPerRequest, attemptsPerRequest, emailStatusDays },
    trustProxy: settings.http.trustProxy,
    answers: settings.compatible.answers,
  }
}

type Takers = { readonly receiver: Receiver; readonly hooks: Hooks }

async function openSmtp(settings: Settings, { telemetry, book }: Shop, { receiver, hooks }: Takers): Promise<SmtpListener> {
  const { routeDoor } = hooks
  return listenSmtp({
    host: settings.host,
    port: settings.smtp.port,
    hostname: settings.smtp.name ?? hostname(),
    domains: [settings.returnPathDomain, settings.feedbackDomain],
    proxyPeers: settings.smtp.proxyPeers,
    tls: certificateOf(settings),
    limits: smtpLimits(settings),
    telemetry,
    now: Date.now,
    isCut: async (peer) => (await book.open()).cuts.refuses(peer),
    isRouted: routeDoor.takes,
    // What is no account's own mail is a report. So is mail to a domain that its account has lost since RCPT: it waits in the inbox.
    submit: async (mail) => (await routeDoor.submit(mail)) || receiver.submit(mail),
  })
}

function hasCertificate({ tls }: Settings): boolean {
  return tls.cert !== undefined && tls.key !== undefined
}

function certificateOf(settings: Settings): Certificate {
  const { cert, key } = settings.tls
  if (cert !== undefined && key !== undefined) return loadCertificate({ cert, key })
  return makeCertificate(settings.smtp.name ?? settings.returnPathDomain, Date.now())
}

function smtpLimits({ limits }: Settings): SmtpLimits {
  return {
    ...limits,
    idleTimeout: limits.idleSeconds * 1_000,
    commandTimeout: limits.commandSeconds * 1_000,
    dataTimeout: limits.dataSeconds * 1_000,
    dataGrace: limits.dataGraceSeconds * 1_000,
    closeTimeout: limits.closeSeconds * 1_000,
  }
}

function floodRules({ flood }: Settings): FloodRules {
  return {
    account: { ...FLOODS.account, reports: flood.accountReports },
    peer: { ...FLOODS.peer, reports: flood.peerReports },
    token: { ...FLOODS.token, reports: flood.tokenReports },
  }
}

/** Keys change rarely: their records say for how long, and an hour is the usual word. Ten thousand names are a few megabytes. */
const DNS_CACHE = { cacheMs: 3_600_000, cacheSize: 10_000 }

function dnsOptions({ dns }: Settings): Parameters<typeof createLookUp>[0] {
  return { servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, ...DNS_CACHE }
}

function portOf(web: Web): number {
  const address = web.server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}
