/**
 * app - the daemon: every part made once, joined, started and ended in order
 *
 * Start: store, rules, receiver, then the doors; `ready` only when both listen. End: no new connections, running sessions answered, the
 * last batch committed, the store closed. A reload takes rules and certificate, each whole or not at all.
 *
 * See also: opening (store, keys, rules), commands/serve (signals and what is printed).
 */
import { accountOf, createKeys } from './accounts.ts'
import type { FirstStart } from './accounts.ts'
import { createProver } from '../mail-auth/verify-signatures.ts'
import type { Prover } from '../mail-auth/verify-signatures.ts'
import { createLookUp } from '../net/dns.ts'
import type { LookUp } from '../net/dns.ts'
import { createDelivery, openGround } from './delivery-setup.ts'
import type { Delivery, Ground } from './delivery-setup.ts'
import { atPort, certificateOf, hasCertificate, openSmtp, openSubmission } from './smtp-listeners.ts'
import { claimRoutes, createHooks } from './outbound-services.ts'
import type { Hooks } from './outbound-services.ts'
import type { SmtpListener } from '../smtp-server/listener.ts'
import { FLOODS } from '../ledger/alert/flood.ts'
import { openShop } from './bootstrap.ts'
import type { Opening } from './bootstrap.ts'
import type { Settings } from '../settings/schema.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Desk } from '../http/services.ts'
import type { Web } from '../http/server/server.ts'
import { createReadingDesk } from '../http/read-services.ts'
import { createWeb } from '../http/app.ts'
import { createWritingDesk } from '../http/write-services.ts'
import { startChores } from './scheduled-jobs.ts'
import { createDkim } from '../service/admin/dkim.ts'
import type { Dkim } from '../service/admin/dkim.ts'
import { createExporter, startExporter } from '../service/export/exporter.ts'
import { createExports } from '../service/export/exports.ts'
import type { Exports } from '../service/export/exports.ts'
import { createFloodWatch } from '../service/receive/flood-monitor.ts'
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
  readonly first: FirstStart | null
  /** Rules and certificate again. Faults: rule_invalid, config_invalid; what was in force stays. */
  readonly reload: () => void
  /** Ends in order. Idempotent. */
  readonly close: () => Promise<void>
}

/** What a test puts in the place of the world. */
export type Outside = { readonly lookUp?: LookUp }

/** Starts the daemon; resolves once both doors listen. Faults: config_invalid, store_busy, store_newer, rule_invalid. */
export async function startApp(settings: Settings, telemetry: Telemetry, outside: Outside = {}): Promise<App> {
  const opening = await openShop({ settings, telemetry })
  const undo: (() => Promise<unknown>)[] = [opening.close]
  try {
    const { shop } = opening
    const keptLookUp = outside.lookUp ?? createLookUp(dnsOptions(settings))
    // A record that was just published must be seen at once.
    const freshLookUp = outside.lookUp ?? createLookUp({ ...dnsOptions(settings), cacheMs: 1, cacheSize: 1 })
    const ground = await openGround(settings, { kept: keptLookUp, fresh: freshLookUp })
    undo.push(ground.close)
    const prover = createProver(ground.lookUp)
    const watch = createFloodWatch(shop, floodRules(settings))
    const receiver = createReceiver(shop, { prover, dryRun: false, notifyReplays: false, watch })
    undo.push(receiver.idle)
    await claimRoutes(opening, settings)
    const hooks = createHooks(opening, settings)
    undo.push(hooks.close)
    const exporter = createExporter(shop, settings.exports)
    const exports = createExports(shop, settings.exports, () => void exporter.turn())
    const delivery = createDelivery(opening, settings, ground)
    const state = { isClosing: false }
    const { nudge } = delivery
    const dkim = createDkim(shop, { vault: opening.vault, lookUp: freshLookUp })
    const submit = createSubmit(shop, { nudge, recipientsPerDay: settings.submission.recipientsPerDay ?? null })
    const parts = webParts(opening, { settings, prover, hooks, exports, submit, dkim, isOpen: () => !state.isClosing })
    const web = await createWeb(parts)
    await atPort(settings, 'http', () => web.listen({ host: settings.host, port: settings.http.port }))
    undo.push(() => web.close())
    const httpPort = portOf(web)
    opening.atHttpPort(httpPort)
    const smtp = await atPort(settings, 'smtp', () => openSmtp(settings, shop, { receiver, hooks }))
    undo.push(smtp.close)
    ground.atSmtpPort(smtp.port)
    const submission = await atPort(settings, 'submission', () => openSubmission(settings, shop, { keys: parts.keys, submit }))
    const doors = [smtp, ...(submission === null ? [] : [submission])]
    const stopChores = startChores(shop, settings, { lookUp: freshLookUp, watch: hooks.watch })
    const stopWebhooks = hooks.start()
    delivery.start()
    const stopExporter = startExporter(exporter)
    const reload = (): void => {
      // Both are read before either is in force.
      const certificate = hasCertificate(settings) ? certificateOf(settings) : null
      opening.reloadRules()
      if (certificate !== null) for (const door of doors) door.reloadTls(certificate)
    }
    const close = once(() =>
      closeInOrder({ state, doors, web, receiver, hooks, stopChores, stopWebhooks, stopExporter, delivery, ground, opening }),
    )
    return { smtpPort: smtp.port, httpPort, submissionPort: submission?.port ?? null, first: opening.first, reload, close }
  } catch (error) {
    for (const end of undo.toReversed()) await end()
    throw error
  }
}

type Parts = {
  readonly state: { isClosing: boolean }
  readonly doors: readonly SmtpListener[]
  readonly web: Web
  readonly receiver: Receiver
  readonly hooks: Hooks
  readonly stopChores: () => Promise<void>
  readonly stopWebhooks: () => Promise<void>
  readonly stopExporter: () => Promise<void>
  readonly delivery: Delivery
  readonly ground: Ground
  readonly opening: Opening
}

/** Doors first, then what they handed over, then the store. */
async function closeInOrder(parts: Parts): Promise<void> {
  const { state, doors, web, receiver, hooks, stopChores, stopWebhooks, stopExporter, delivery, ground, opening } = parts
  state.isClosing = true
  await Promise.all([...doors.map((door) => door.close()), web.close(), stopChores(), stopWebhooks(), stopExporter(), delivery.close()])
  await Promise.all([receiver.idle(), hooks.routeDoor.idle()])
  await ground.close()
  // Counts for alerts are worth a try and no more.
  await opening.shop.watch.flush(opening.shop.engine).catch(() => undefined)
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
  readonly submit: Submit
  readonly dkim: Dkim
  readonly isOpen: () => boolean
}

function webParts({ shop }: Opening, { settings, prover, hooks, exports, submit, dkim, isOpen }: WebWish): Parameters<typeof createWeb>[0] {
  const { read } = shop.engine
  const { requestsPerMinute, recipientsPerRequest, attemptsPerRequest, emailStatusDays } = settings.limits
  const desk: Desk = {
    now: shop.now,
    ...createReadingDesk(read, shop.now),
    ...createWritingDesk(shop, prover),
    webhooks: hooks.webhooks,
    routes: hooks.routes,
    alerts: hooks.alerts,
    exports,
    submit,
    dkim,
  }
  return {
    telemetry: shop.telemetry,
    desk,
    keys: createKeys(read, shop.now),
    accountOf: (apiUser) => accountOf(read, apiUser),
    isReady: async () => isOpen() && (await read.one('select 1 as one')) !== null,
    limits: { bodyBytes: settings.http.bodyBytes, requestsPerMinute, recipientsPerRequest, attemptsPerRequest, emailStatusDays },
    trustProxy: settings.http.trustProxy,
    http: settings.http,
    answers: settings.compatible.answers,
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
