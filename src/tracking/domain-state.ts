/**
 * domain-state - whether a tracking domain leads to this installation, and since when
 *
 * A domain is verified while its CNAME names a host of ours. One domain serves one account: the one that had it verified first keeps it, so that
 * nobody else can put links under it. A resolver that fails says nothing, and changes nothing.
 *
 * Pure. See also: net/cname (asks DNS), service/track/tracking-domains, docs/TRACKING.md.
 */

/** What DNS says: the names that a name is an alias of, in order. */
export type CnameChain =
  | { readonly kind: 'found'; readonly names: readonly string[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly text: string }

type DomainState = {
  readonly verifiedAt: number | null
  readonly failingSince: number | null
  readonly problem: string | null
}

/** What is wrong with a domain; null: nothing. `target`: the host that it must be an alias of. */
export function cnameProblemOf(domain: string, chain: CnameChain, target: string): string | null {
  if (chain.kind === 'failed') return `DNS gave no answer about ${domain} (${chain.text})`
  const todo = `publish "${domain}. CNAME ${target}."`
  if (chain.kind === 'none') return `${domain} has no CNAME: ${todo}`
  return chain.names.includes(target) ? null : `${domain} is an alias of ${chain.names.join(', ')}: ${todo}`
}

type DomainCheck = {
  readonly domain: string
  readonly before: DomainState | null
  readonly chain: CnameChain
  readonly target: string
  /** Another account has the domain verified. */
  readonly isTaken: boolean
  readonly now: number
}

/** The state of a domain after a check. */
export function nextDomainState({ domain, before, chain, target, isTaken, now }: DomainCheck): DomainState {
  if (chain.kind === 'failed' && before !== null) return before
  const problem = cnameProblemOf(domain, chain, target) ?? (isTaken ? `${domain} serves another account: choose a name of its own` : null)
  return problem === null
    ? { verifiedAt: before?.verifiedAt ?? now, failingSince: null, problem }
    : { verifiedAt: null, failingSince: before?.failingSince ?? now, problem }
}
