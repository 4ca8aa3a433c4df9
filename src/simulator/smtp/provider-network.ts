/**
 * provider-network - the providers of the simulator as a small world on loopback
 *
 * Every domain is somebody's: what no provider claims belongs to the generic one, so that nothing leaves the machine. Reports and complaints go
 * back by SMTP to the daemon's own door, signed, some time later. An hour of this world takes 3600 s / speed.
 *
 *     const lab = await startLab({ providers: readProviders(), home: () => ({ host: '127.0.0.1', port }), speed: 600, seed: 1 })
 *     createSmtpTransport({ route: lab.route, … })     createProver(lab.lookUp)     createMxLookUp({ lookUp: lab.lookUp })
 *
 * See also: simulator/smtp/provider-server, simulator/smtp/dkim-identity, simulator/provider-model, docs/DEMO.md.
 */
import { createSmtpTransport } from '../../smtp-client/smtp-transport.ts'
import { makeCertificate } from '../../net/certificate.ts'
import type { LookUp } from '../../net/dns.ts'
import type { Outcome, Router, Transport } from '../../smtp-client/transport.ts'
import { Fault } from '../../errors.ts'
import { type Met, createProvider, type Weather } from '../provider-model.ts'
import type { ProviderFile } from '../provider-file.ts'
import { feedbackAddress, makeArf } from './arf-builder.ts'
import { type House, openHouse } from './provider-server.ts'
import { makeNdr, type Taken } from './ndr-builder.ts'
import { createSeal, type Seal } from './dkim-identity.ts'

export type LabWish = {
  readonly providers: ReadonlyMap<string, ProviderFile>
  /** The daemon's SMTP door, asked for when there is something to bring. */
  readonly home: () => { readonly host: string; readonly port: number }
  /** How much faster than ours its time goes; 1: as fast. */
  readonly speed: number
  readonly seed: number
  /** STARTTLS at the providers; without it a bench measures less of it. */
  readonly tls?: boolean
  readonly weather?: (provider: string) => Weather
}

const COUNTED = ['attempts', 'taken', 'refused', 'dropped', 'reports', 'complaints', 'lost'] as const
export type Counted = (typeof COUNTED)[number]
export type LabCounts = Readonly<Record<Counted, number>>

export type Lab = {
  readonly route: Router
  /** The providers' hosts and the key that they sign with; of all else it knows nothing. */
  readonly lookUp: LookUp
  /** By provider. */
  readonly ports: ReadonlyMap<string, number>
  /** By provider, since the start. `lost`: what could not be brought home. */
  readonly counts: () => ReadonlyMap<string, LabCounts>
  /** Reports and complaints that are still to come. */
  readonly pending: () => number
  readonly close: () => Promise<void>
}

/** Whose a domain is that nobody claims. */
const OTHERS = 'generic'

/** How often, and after how long, what was not taken at home is brought again. */
const HOME_TRIES = 5
const HOME_REST_MS = 1_000

const CALM: Weather = { outages: [], listings: [], known: new Map() }

type World = {
  readonly wish: LabWish
  readonly seal: Seal
  readonly counts: Map<string, Record<Counted, number>>
  readonly timers: Set<NodeJS.Timeout>
  readonly post: Transport
  last: number
}

/** Opens every house. Faults: config_invalid (no generic provider). */
export async function startLab(wish: LabWish): Promise<Lab> {
  const byDomain = new Map([...wish.providers.values()].flatMap((file) => file.domains.map((domain) => [domain, file] as const)))
  const others = wish.providers.get(OTHERS)
  if (others === undefined) throw new Fault('config_invalid', `the laboratory has no provider "${OTHERS}", whose all other domains are`)
  const fileOf = (domain: string): ProviderFile => byDomain.get(domain.toLowerCase()) ?? others
  const seal = await createSeal((domain) => fileOf(domain).mx)
  const world: World = { wish, seal, counts: new Map(), timers: new Set(), post: postHome(wish), last: 0 }
  const houses = new Map<string, House>()
  for (const file of wish.providers.values()) houses.set(file.name, await openAt(world, file))
  return {
    lookUp: seal.lookUp,
    ports: new Map([...houses].map(([name, { port }]) => [name, port])),
    counts: () => world.counts,
    pending: () => world.timers.size,
    route: (domain) => {
      const { name, mx } = fileOf(domain)
      const port = houses.get(name)?.port ?? 0
      const stop = { name: mx, address: '127.0.0.1', port, tls: 'opportunistic', implicitTls: false, login: null, proxy: true } as const
      return Promise.resolve({ kind: 'stops', stops: [stop] })
    },
    close: async () => {
      for (const timer of world.timers) clearTimeout(timer)
      world.timers.clear()
      await world.post.close()
      await Promise.all([...houses.values()].map((house) => house.close()))
    },
  }
}

function openAt(world: World, file: ProviderFile): Promise<House> {
  const { wish } = world
  const { speed } = wish
  const began = Date.now()
  const counts = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Record<Counted, number> // its keys are COUNTED
  world.counts.set(file.name, counts)
  return openHouse({
    provider: createProvider(file, wish.seed, wish.weather?.(file.name) ?? CALM),
    certificate: wish.tls === false ? null : makeCertificate(file.mx, began),
    now: () => began + (Date.now() - began) * speed,
    spanOf: (milliseconds) => milliseconds / speed,
    onTaken: (taken, met) => sendBack(world, file, { taken, met }),
    count: (what) => (counts[what] += 1),
  })
}

/** The way home is one of our own: by the same transport, to one door. */
function postHome({ home }: LabWish): Transport {
  return createSmtpTransport({
    ehlo: 'lab.example',
    allowPrivate: true,
    addressesOf: () => Promise.resolve({ kind: 'none' }),
    route: () => {
      const { host, port } = home()
      const stop = { name: host, address: host, port, tls: 'off', implicitTls: false, login: null, proxy: false } as const
      return Promise.resolve({ kind: 'stops', stops: [stop] })
    },
  })
}

/** What a mail that was taken brings about later. */
function sendBack(world: World, file: ProviderFile, { taken, met }: { readonly taken: Taken; readonly met: Met }): void {
  const { report, complaint } = met
  const { name, mx } = file
  const sender = file.late?.from ?? `postmaster@${mx}`
  if (report !== null && taken.from !== '')
    later(world, report.after, () => {
      const raw = makeNdr({ provider: name, host: mx, sender, taken, reply: report.text, at: Date.now(), id: idOf(world) })
      return bring(world, name, { what: 'reports', sender, from: '', to: taken.from, raw })
    })
  if (complaint?.heard === true)
    later(world, complaint.after, () => {
      const author = file.complaints?.from ?? sender
      const raw = makeArf({ provider: name, sender: author, taken, at: Date.now(), id: idOf(world) })
      return bring(world, name, { what: 'complaints', sender: author, from: author, to: feedbackAddress(taken), raw })
    })
}

const idOf = (world: World): string => `${Date.now().toString(36)}.${(world.last += 1)}`

function later(world: World, afterMs: number, work: () => Promise<void>, isRest = false): void {
  const timer = setTimeout(
    () => {
      world.timers.delete(timer)
      void work()
    },
    isRest ? afterMs : afterMs / world.wish.speed,
  )
  world.timers.add(timer)
}

type Bringing = {
  readonly what: 'reports' | 'complaints'
  readonly sender: string
  readonly from: string
  readonly to: string
  readonly raw: Buffer
}

async function bring(world: World, name: string, given: Bringing, tries = HOME_TRIES): Promise<void> {
  const counts = world.counts.get(name)
  const domain = given.sender.slice(given.sender.lastIndexOf('@') + 1)
  const raw = tries === HOME_TRIES ? world.seal.sign(domain, given.raw, Date.now()) : given.raw
  const told = await world.post.send({ egressIp: '', domain: 'home', from: given.from, to: given.to, raw, probe: false })
  if (isTaken(told)) {
    if (counts !== undefined) counts[given.what] += 1
  } else if (tries > 1 && !isRefused(told)) {
    later(world, HOME_REST_MS, () => bring(world, name, { ...given, raw }, tries - 1), true)
  } else if (counts !== undefined) counts.lost += 1
}

const isTaken = (told: Outcome): boolean => told.kind === 'reply' && told.code < 300
const isRefused = (told: Outcome): boolean => told.kind === 'reply' && told.code >= 500
