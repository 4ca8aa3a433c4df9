/**
 * tracking-domains - checks that the tracking domains of accounts lead to this installation
 *
 * Links name a domain only while it is verified; until then, and when it breaks, they name the shared one. A scheduled job checks all of them,
 * and an alert tells the account about a domain that does not lead here.
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

/** The other jobs wait, so a name server that is slow must not delay hundreds of domains one by one. */
const CONCURRENT_LOOKUPS = 16

/** Checks the domains of all open accounts. Without a shared base there is nothing that they could lead to. Faults: store_busy. */
export async function checkTrackingDomains(context: Context, lookUp: DnsLookup): Promise<void> {
  const target = context.sharedTrackingBase === null ? null : new URL(context.sharedTrackingBase).hostname
  const { accounts } = await context.accountCache.snapshot()
  const wanted = accounts.flatMap(({ account, closedAt, settings }) =>
    closedAt === null && settings.trackingDomain !== '' ? [{ account, domain: settings.trackingDomain }] : [],
  )
  const chains = target === null ? new Map<string, CnameChain>() : await lookUpAll(lookUp, [...new Set(wanted.map(({ domain }) => domain))])
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

/** An account that has a domain verified comes before one that has not. */
function statesOf({ wanted, before, chains, target, now }: StatesInput): readonly TrackingDomain[] {
  const known = new Map(before.map((row) => [`${row.account}/${row.domain}`, row]))
  const rowOf = ({ account, domain }: StatesInput['wanted'][number]): TrackingDomain | null => known.get(`${account}/${domain}`) ?? null
  const claimed = new Set<string>()
  return wanted
    .toSorted((a, b) => (rowOf(a)?.verifiedAt ?? Infinity) - (rowOf(b)?.verifiedAt ?? Infinity) || a.account - b.account)
    .map(({ account, domain }) => {
      const chain = chains.get(domain) ?? { kind: 'failed', text: 'not asked' }
      const isTaken = claimed.has(domain)
      const state = nextDomainState({ domain, before: rowOf({ account, domain }), chain, target, isTaken, now })
      if (state.verifiedAt !== null) claimed.add(domain)
      return { account, domain, ...state, checkedAt: now }
    })
}
