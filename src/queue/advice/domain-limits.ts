/**
 * domain-limits - advice as limits of recipient domains, which is how an MTA keeps its queues
 *
 * Keys that cover the same domain are folded into one limit: the longest stop, else the lowest rate. A rate that a key has for all of its domains together is shared
 * out among them. A limit of one egress IP is a limit of its source, if the MTA's name for it is given, and of the whole domain otherwise. A source is never freer than
 * its domain.
 *
 * Pure. See also: queue/advice/formats.
 */
import type { Advice } from './advice.ts'

export type DomainLimit = {
  readonly domain: string
  /** The name that the MTA has for the egress IP; null: all of them. */
  readonly source: string | null
  readonly action: Advice['action']
  /** Null with `stop`: until somebody presses Recover. */
  readonly until: number | null
  readonly perMinute: number | null
  readonly connections: number | null
  /** One line for people, without text of strangers. */
  readonly reason: string
}

/** Domains come from addresses of recipients. One with other characters has no mail, and no place in a configuration. */
const PLAIN_DOMAIN = /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?)+$/

const STRENGTH = { stop: 2, slow: 1, open: 0 } as const satisfies Record<Advice['action'], number>

/** Folds advice into limits by domain and source, sorted. `sources`: egress IP → the MTA's name for it. Total. */
export function domainLimitsOf(advice: readonly Advice[], sources: ReadonlyMap<string, string>): readonly DomainLimit[] {
  const limits = new Map<string, DomainLimit>()
  for (const each of advice) {
    const named = each.scope.domain === null ? each.domains : [each.scope.domain]
    const domains = named.filter((domain) => PLAIN_DOMAIN.test(domain))
    for (const domain of domains) {
      const limit = limitOf(each, domain, { source: sources.get(each.scope.egressIp ?? '') ?? null, shares: domains.length })
      const id = `${domain} ${limit.source ?? ''}`
      const before = limits.get(id)
      limits.set(id, before === undefined ? limit : stricterOf(before, limit))
    }
  }
  const ofWhole = (limit: DomainLimit): DomainLimit => {
    const whole = limits.get(`${limit.domain} `)
    return whole === undefined || limit.source === null ? limit : { ...stricterOf(limit, whole), source: limit.source }
  }
  return [...limits].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, limit]) => ofWhole(limit))
}

function limitOf(
  { action, until, perMinute, connections, reason, rule }: Advice,
  domain: string,
  { source, shares }: { readonly source: string | null; readonly shares: number },
): DomainLimit {
  const share = perMinute === null ? null : Math.max(1, Math.floor(perMinute / shares))
  return { domain, source, action, until, perMinute: share, connections, reason: rule === null ? reason : `${reason} (${rule})` }
}

function stricterOf(a: DomainLimit, b: DomainLimit): DomainLimit {
  if (a.action !== b.action) return STRENGTH[a.action] > STRENGTH[b.action] ? a : b
  if (a.action === 'stop') return a.until === null || (b.until !== null && a.until >= b.until) ? a : b
  const lower = (one: number | null, other: number | null): number | null =>
    one === null ? other : other === null ? one : Math.min(one, other)
  return { ...a, perMinute: lower(a.perMinute, b.perMinute), connections: lower(a.connections, b.connections) }
}
