/**
 * provider-network - all simulated providers as SMTP servers on loopback, with their DNS and their reports
 *
 * A domain that no provider claims belongs to the generic one, so that no mail leaves the machine. NDRs and complaints come back later by
 * SMTP to the daemon's own listener, with DKIM signatures. A simulated hour takes 3,600 s ÷ speed.
 *
 *     const network = await startProviderNetwork({ providers: readProviders(), reportServer: () => ({ host: '127.0.0.1', port }), speed: 600, seed: 1 })
 *     createSmtpTransport({ router: network.route, … })   createSignatureVerifier(network.lookUp)   createMxResolver({ lookUp: network.lookUp })
 *
 * See also: simulator/smtp/provider-server, simulator/smtp/dkim-identity, simulator/provider-model, docs/DEMO.md.
 */
import { createSmtpTransport } from '../../smtp-client/smtp-transport.ts'
import { createSelfSignedCertificate } from '../../net/certificate.ts'
import type { DnsLookup } from '../../net/dns.ts'
import type { SmtpOutcome, Router, Transport } from '../../smtp-client/transport.ts'
import { Fault } from '../../errors.ts'
import { type ProviderResponse, createSimulatedProvider, type ProviderConditions } from '../provider-model.ts'
import type { ProviderFile } from '../provider-file.ts'
import { feedbackAddress, buildArf } from './arf-builder.ts'
import { type ProviderServer, startProviderServer } from './provider-server.ts'
import { buildNdr, type AcceptedMessage } from './ndr-builder.ts'
import { createDkimIdentity, type DkimIdentity } from './dkim-identity.ts'

type ProviderNetworkOptions = {
  readonly providers: ReadonlyMap<string, ProviderFile>
  /** The daemon's SMTP listener. Called when there is a report to send. */
  readonly reportServer: () => { readonly host: string; readonly port: number }
  /** How many times faster than real time the simulation runs. */
  readonly speed: number
  readonly seed: number
  /** Whether the providers offer STARTTLS; default true. A benchmark of delivery switches it off. */
  readonly tls?: boolean
  readonly conditionsOf?: (provider: string) => ProviderConditions
}

const COUNTER_NAMES = ['attempts', 'taken', 'refused', 'dropped', 'reports', 'complaints', 'lost'] as const
type ProviderCounter = (typeof COUNTER_NAMES)[number]
type ProviderCounts = Readonly<Record<ProviderCounter, number>>

type ProviderNetwork = {
  readonly route: Router
  /** Knows the providers' hosts and their DKIM key, and nothing else. */
  readonly lookUp: DnsLookup
  /** By provider. */
  readonly ports: ReadonlyMap<string, number>
  /** By provider, since the start. `lost`: reports that the daemon did not accept. */
  readonly counts: () => ReadonlyMap<string, ProviderCounts>
  /** The number of NDRs and complaints that are still to come. */
  readonly pending: () => number
  readonly close: () => Promise<void>
}

/** The provider of all domains that no provider claims. */
const DEFAULT_PROVIDER = 'generic'

/** How often a report is sent that the daemon does not accept, and after which time. */
const REPORT_SEND_ATTEMPTS = 5
const REPORT_RETRY_MS = 1_000

/** No outages, listings or prior deliveries. */
const NO_INCIDENTS: ProviderConditions = { outages: [], listings: [], priorDeliveries: new Map() }

type NetworkState = {
  readonly options: ProviderNetworkOptions
  readonly dkimIdentity: DkimIdentity
  readonly counts: Map<string, Record<ProviderCounter, number>>
  readonly timers: Set<NodeJS.Timeout>
  readonly transport: Transport
  lastId: number
}

/** Starts a server for each provider. Fault `config_invalid` if there is no generic provider. */
export async function startProviderNetwork(options: ProviderNetworkOptions): Promise<ProviderNetwork> {
  const byDomain = new Map([...options.providers.values()].flatMap((file) => file.domains.map((domain) => [domain, file] as const)))
  const defaultProvider = options.providers.get(DEFAULT_PROVIDER)
  if (defaultProvider === undefined)
    throw new Fault('config_invalid', `the simulator needs a provider "${DEFAULT_PROVIDER}" for all domains that no other provider claims`)
  const fileOf = (domain: string): ProviderFile => byDomain.get(domain.toLowerCase()) ?? defaultProvider
  const dkimIdentity = await createDkimIdentity((domain) => fileOf(domain).mx)
  const state: NetworkState = {
    options,
    dkimIdentity,
    counts: new Map(),
    timers: new Set(),
    transport: createReportTransport(options),
    lastId: 0,
  }
  const servers = new Map<string, ProviderServer>()
  for (const file of options.providers.values()) servers.set(file.name, await openProvider(state, file))
  return {
    lookUp: dkimIdentity.lookUp,
    ports: new Map([...servers].map(([name, { port }]) => [name, port])),
    counts: () => state.counts,
    pending: () => state.timers.size,
    route: (domain) => {
      const { name, mx } = fileOf(domain)
      const port = servers.get(name)?.port ?? 0
      const stop = { name: mx, address: '127.0.0.1', port, tls: 'opportunistic', implicitTls: false, login: null, proxy: true } as const
      return Promise.resolve({ kind: 'route', nextHops: [stop] })
    },
    close: async () => {
      for (const timer of state.timers) clearTimeout(timer)
      state.timers.clear()
      await state.transport.close()
      await Promise.all([...servers.values()].map((server) => server.close()))
    },
  }
}

function openProvider(state: NetworkState, file: ProviderFile): Promise<ProviderServer> {
  const { options } = state
  const { speed } = options
  const startedAt = Date.now()
  // Without STARTTLS, no provider can demand it.
  const served: ProviderFile = options.tls === false ? { ...file, tls: { offered: false } } : file
  const counts = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0])) as Record<ProviderCounter, number> // checked: the keys are COUNTER_NAMES
  state.counts.set(file.name, counts)
  return startProviderServer({
    provider: createSimulatedProvider(served, options.seed, options.conditionsOf?.(file.name) ?? NO_INCIDENTS),
    certificate: served.tls?.offered === false ? null : createSelfSignedCertificate(file.mx, startedAt),
    now: () => startedAt + (Date.now() - startedAt) * speed,
    toRealMs: (milliseconds) => milliseconds / speed,
    onAccepted: (message, response) => scheduleReports(state, file, { message, response }),
    count: (what) => (counts[what] += 1),
  })
}

/** The transport of the reports: the product's own, to the daemon's listener alone. */
function createReportTransport({ reportServer }: ProviderNetworkOptions): Transport {
  return createSmtpTransport({
    ehloName: 'lab.example',
    allowPrivate: true,
    addressesOf: () => Promise.resolve({ kind: 'none' }),
    router: () => {
      const { host, port } = reportServer()
      const stop = { name: host, address: host, port, tls: 'off', implicitTls: false, login: null, proxy: false } as const
      return Promise.resolve({ kind: 'route', nextHops: [stop] })
    },
  })
}

/** Schedules the NDR and the complaint that follow an accepted message. */
function scheduleReports(
  state: NetworkState,
  file: ProviderFile,
  { message, response }: { readonly message: AcceptedMessage; readonly response: ProviderResponse },
): void {
  const { report, complaint } = response
  const { name, mx } = file
  const sender = file.late?.from ?? `postmaster@${mx}`
  if (report !== null && message.from !== '')
    runLater(state, report.afterMs, () => {
      const raw = buildNdr({ provider: name, host: mx, sender, message, reply: report.text, at: Date.now(), id: nextIdOf(state) })
      return sendReport(state, name, { counter: 'reports', sender, from: '', to: message.from, raw })
    })
  if (complaint?.isReported === true)
    runLater(state, complaint.afterMs, () => {
      const author = file.complaints?.from ?? sender
      const raw = buildArf({ provider: name, sender: author, message, at: Date.now(), id: nextIdOf(state) })
      return sendReport(state, name, { counter: 'complaints', sender: author, from: author, to: feedbackAddress(message), raw })
    })
}

const nextIdOf = (state: NetworkState): string => `${Date.now().toString(36)}.${(state.lastId += 1)}`

function runLater(state: NetworkState, afterMs: number, task: () => Promise<void>, isRealTime = false): void {
  const timer = setTimeout(
    () => {
      state.timers.delete(timer)
      void task()
    },
    isRealTime ? afterMs : afterMs / state.options.speed,
  )
  state.timers.add(timer)
}

type OutgoingReport = {
  readonly counter: 'reports' | 'complaints'
  readonly sender: string
  readonly from: string
  readonly to: string
  readonly raw: Buffer
}

async function sendReport(state: NetworkState, name: string, report: OutgoingReport, attemptsLeft = REPORT_SEND_ATTEMPTS): Promise<void> {
  const counts = state.counts.get(name)
  const domain = report.sender.slice(report.sender.lastIndexOf('@') + 1)
  const raw = attemptsLeft === REPORT_SEND_ATTEMPTS ? await state.dkimIdentity.sign(domain, report.raw, Date.now()) : report.raw
  const outcome = await state.transport.send({ egressIp: '', domain: 'home', mailFrom: report.from, to: report.to, raw, isProbe: false })
  if (isAccepted(outcome)) {
    if (counts !== undefined) counts[report.counter] += 1
  } else if (attemptsLeft > 1 && !isRejected(outcome)) {
    runLater(state, REPORT_RETRY_MS, () => sendReport(state, name, { ...report, raw }, attemptsLeft - 1), true)
  } else if (counts !== undefined) counts.lost += 1
}

const isAccepted = (outcome: SmtpOutcome): boolean => outcome.kind === 'reply' && outcome.code < 300
const isRejected = (outcome: SmtpOutcome): boolean => outcome.kind === 'reply' && outcome.code >= 500
