/**
 * tracking-domains - checks that the tracking domains of accounts lead to this installation
 *
 * Links name a domain only while it is verified; until then, and when it breaks, they name the shared one. A scheduled job checks all of them,
 * a change of the setting checks one, and an alert tells the account about a domain that does not lead here.
 *
 * See also: tracking/domain-state, service/track/tracking-base, ledger/alert/alert-rules (tracking-domain), docs/TRACKING.md.
 */
import { lookUpCname } from '../../net/cname.ts'
import type { DnsLookup } from '../../net/dns.ts'
import {
  listTrackingDomainsForOperator,
  replaceTrackingDomainsForOperator,
  type TrackingDomain,
} from '../../store/account/tracking-domains.ts'
import { nextDomainState, type CnameChain } from '../../tracking/domain-state.ts'
import type { Context } from '../context.ts'
import { trackingBaseOf } from './tracking-base.ts'

/** The other jobs wait, so a name server that is slow must not delay hundreds of domains one by one. */
const CONCURRENT_LOOKUPS = 16

/** `waiting`: the domain has never led to this installation. `failing`: it did, and the last check failed. */
export type TrackingDomainStatus = {
  readonly state: 'none' | 'waiting' | 'verified' | 'failing'
  /** The account's own domain; null: it has none. */
  readonly domain: string | null
  /** The name that the domain must be an alias of; null: there is nothing that links could lead to. */
  readonly target: string | null
  /** The base URL of links in mails that are sent now; null: nothing is tracked. */
  readonly linkBase: string | null
  readonly verifiedAt: number | null
  readonly failingSince: number | null
  readonly checkedAt: number | null
  readonly problem: string | null
}

export type TrackingDomainService = {
  /** What the last check found. */
  readonly read: (account: number) => Promise<TrackingDomainStatus>
  /** Asks DNS now, and keeps the result. Faults: store_busy. */
  readonly check: (account: number) => Promise<TrackingDomainStatus>
}

/** Creates the service. `lookUp` should not cache: a record that was published a moment ago must be visible. */
export function createTrackingDomainService(context: Context, lookUp: DnsLookup): TrackingDomainService {
  const read = (account: number): Promise<TrackingDomainStatus> => readStatus(context, account)
  return {
    read,
    check: async (account) => {
      await checkTrackingDomains(context, lookUp, account)
      return read(account)
    },
  }
}

async function readStatus(context: Context, account: number): Promise<TrackingDomainStatus> {
  const [snapshot, rows] = await Promise.all([context.accountCache.snapshot(), listTrackingDomainsForOperator(context.engine.read)])
  const domain = snapshot.settingsOf(account).trackingDomain
  const row = rows.find((each) => each.account === account && each.domain === domain)
  const { verifiedAt = null, failingSince = null, checkedAt = null, problem = null } = row ?? {}
  const known = failingSince === null ? 'verified' : 'failing'
  return {
    state: domain === '' ? 'none' : verifiedAt === null ? 'waiting' : known,
    domain: domain === '' ? null : domain,
    target: targetOf(context),
    linkBase: trackingBaseOf(context, snapshot, account),
    verifiedAt,
    failingSince,
    checkedAt,
    problem,
  }
}

const targetOf = ({ sharedTrackingBase }: Context): string | null =>
  sharedTrackingBase === null ? null : new URL(sharedTrackingBase).hostname

/**
 * Checks the domains of all open accounts, or of one. Without a shared base there is nothing that they could lead to. Nodes may check at the
 * same time: each decides on the rows that the others left. Faults: store_busy.
 */
export async function checkTrackingDomains(context: Context, lookUp: DnsLookup, only: number | null = null): Promise<void> {
  const target = targetOf(context)
  context.accountCache.invalidate()
  const { accounts } = await context.accountCache.snapshot()
  const wanted = accounts.flatMap(({ account, closedAt, settings }) =>
    closedAt === null && settings.trackingDomain !== '' ? [{ account, domain: settings.trackingDomain }] : [],
  )
  const asked = wanted.filter(({ account }) => only === null || account === only)
  const chains = target === null ? new Map<string, CnameChain>() : await lookUpAll(lookUp, [...new Set(asked.map(({ domain }) => domain))])
  await context.engine.tx(
    async (db) => {
      const before = await listTrackingDomainsForOperator(db)
      if (before.length === 0 && wanted.length === 0) return
      await replaceTrackingDomainsForOperator(db, target === null ? [] : statesOf({ wanted, before, chains, target, now: context.now() }))
    },
    { lockName: 'tracking-domains', visibility: 'latest' },
  )
  context.accountCache.invalidate()
}

async function lookUpAll(lookUp: DnsLookup, domains: readonly string[]): Promise<ReadonlyMap<string, CnameChain>> {
  const chains = new Map<string, CnameChain>()
  for (let at = 0; at < domains.length; at += CONCURRENT_LOOKUPS) {
    const part = domains.slice(at, at + CONCURRENT_LOOKUPS)
    const found = await Promise.all(part.map(async (domain) => [domain, await lookUpCname(lookUp, domain)] as const))
    for (const [domain, chain] of found) chains.set(domain, chain)
  }
  return chains
}

type StatesInput = {
  readonly wanted: readonly Pick<TrackingDomain, 'account' | 'domain'>[]
  readonly before: readonly TrackingDomain[]
  readonly chains: ReadonlyMap<string, CnameChain>
  readonly target: string
  readonly now: number
}

/** An account that holds a domain comes before one that does not. A domain that was not looked up keeps its row. */
function statesOf({ wanted, before, chains, target, now }: StatesInput): readonly TrackingDomain[] {
  const known = new Map(before.map((row) => [`${row.account}/${row.domain}`, row]))
  const rowOf = ({ account, domain }: StatesInput['wanted'][number]): TrackingDomain | null => known.get(`${account}/${domain}`) ?? null
  const held = new Set<string>()
  return wanted
    .toSorted((a, b) => (rowOf(a)?.verifiedAt ?? Infinity) - (rowOf(b)?.verifiedAt ?? Infinity) || a.account - b.account)
    .flatMap(({ account, domain }) => {
      const [row, chain] = [rowOf({ account, domain }), chains.get(domain)]
      const check = { domain, before: row, target, isTaken: held.has(domain), now }
      const next = chain === undefined ? row : { account, domain, ...nextDomainState({ ...check, chain }), checkedAt: now }
      if (next?.verifiedAt != null) held.add(domain)
      return next ?? []
    })
}
