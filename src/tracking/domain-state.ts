/**
 * domain-state - whether a tracking domain leads to this installation, and since when
 *
 * A domain is verified when its CNAME names a host of ours. One domain serves one account: the one that had it verified first keeps it, so that
 * nobody else can put links under it, also while its record is missing for some days. One check that fails is not a break: DNS fails, and lies.
 *
 * Pure. See also: net/cname (asks DNS), service/track/tracking-domains, docs/TRACKING.md.
 */

/** What DNS says: the names that a name is an alias of, in order. */
export type CnameChain =
  | { readonly kind: 'found'; readonly names: readonly string[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly text: string }

type DomainState = {
  /** Since when the account holds the domain. */
  readonly verifiedAt: number | null
  /** The first of the checks that failed in a row; null: the last one succeeded. */
  readonly failingSince: number | null
  readonly problem: string | null
}

/** Three checks in a row. Links of mails that are sent meanwhile may lead nowhere. */
const BREAK_AFTER_MS = 10 * 60_000

/** An account that has lost its record for so long does not come back; the domain may serve another one. */
const KEEP_BROKEN_MS = 30 * 86_400_000

/** Whether links name the domain, by its last check at `checkedAt`. */
export const isDomainInUse = ({ verifiedAt, failingSince }: DomainState, checkedAt: number): boolean =>
  verifiedAt !== null && (failingSince === null || checkedAt - failingSince < BREAK_AFTER_MS)

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
  /** Another account holds the domain. */
  readonly isTaken: boolean
  readonly now: number
}

/** The state of a domain after a check. */
export function nextDomainState({ domain, before, chain, target, isTaken, now }: DomainCheck): DomainState {
  const problem = cnameProblemOf(domain, chain, target) ?? (isTaken ? `${domain} serves another account: choose a name of its own` : null)
  const heldSince = isTaken ? null : (before?.verifiedAt ?? null)
  if (problem === null) return { verifiedAt: heldSince ?? now, failingSince: null, problem }
  const failingSince = before?.failingSince ?? now
  return { verifiedAt: now - failingSince < KEEP_BROKEN_MS ? heldSince : null, failingSince, problem }
}
