/**
 * backoff-key - what a pause holds on to, and which keys cover a delivery
 *
 * A delivery leaves by one egress IP for one site. A site is the receiving provider, not the bare domain. A filtering gateway in front
 * of many domains is a site for ip and connection keys only; for all else the recipient's domain stands in its place.
 *
 *     ip|192.0.2.1|google   sender-domain|example.com|google   network|mx|a.example.net,b.example.net   account|7   manual|7|example.org
 *
 * Pure. See also: queue/backoff/backoff-classes (which class holds which key), queue/backoff/key-state (what stands behind a key).
 */

/** What the user is told about a key that is closed. `lane` and `warmup` are limits of our own, no pauses. */
export const KEY_REASONS = {
  ip: 'IP reputation',
  'sender-domain': 'Domain limitation',
  connection: 'IP connection frequency',
  network: 'Server unreachable',
  account: 'List quality',
  manual: 'Paused by user',
  lane: 'Rate limit',
  warmup: 'IP warm-up',
} as const satisfies Record<string, string>

export type KeyKind = keyof typeof KEY_REASONS

/** Kind and names, parted by `|`. */
export type KeyId = string

/** Where a mail goes, and for whom; all lower case. */
export type Destination = {
  readonly account: number
  /** The recipient's domain. */
  readonly domain: string
  readonly senderDomain: string
  readonly site: string
  readonly gateway: boolean
  /** The MX hosts of the domain, sorted and joined by commas; '' where it is not known yet. */
  readonly mxSet: string
}

/** One way out: the destination and the IP. */
export type Route = Destination & { readonly egressIp: string }

/** A part of a key: no `|` of a stranger's may stand in it. */
const part = (text: string): string => (text.includes('|') ? text.replaceAll('|', '_') : text)

const join = (kind: KeyKind, first: string, second?: string): KeyId =>
  second === undefined ? `${kind}|${part(first)}` : `${kind}|${part(first)}|${part(second)}`

/** The kind of a key. */
export function kindOf(key: KeyId): KeyKind | null {
  const kind = key.slice(0, key.indexOf('|'))
  return isKind(kind) ? kind : null
}

const isKind = (text: string): text is KeyKind => Object.hasOwn(KEY_REASONS, text)

/** The site for all keys but ip and connection. */
const ownSite = (to: Destination): string => (to.gateway ? to.domain : to.site)

/** Each key of a route by its name. */
export const KEYS = {
  ip: (to: Route) => join('ip', to.egressIp, to.site),
  connection: (to: Route) => join('connection', to.egressIp, to.site),
  warmup: (to: Route) => join('warmup', to.egressIp, to.site),
  senderDomain: (to: Destination) => join('sender-domain', to.senderDomain, ownSite(to)),
  /** A DNS failure. */
  networkDomain: (to: Destination) => join('network', 'dns', to.domain),
  /** A connect failure. A domain whose hosts are not known stands for itself. */
  networkHosts: (to: Destination) => join('network', 'mx', to.mxSet === '' ? to.domain : to.mxSet),
  networkSite: (to: Destination) => join('network', 'site', ownSite(to)),
  account: (to: Pick<Destination, 'account'>) => join('account', String(to.account)),
  accountSite: (to: Destination) => join('account', String(to.account), ownSite(to)),
  manualAll: (to: Pick<Destination, 'account'>) => join('manual', String(to.account), '*'),
  manual: (to: Pick<Destination, 'account' | 'domain'>) => join('manual', String(to.account), to.domain),
  lane: (to: Pick<Destination, 'account' | 'domain'>) => join('lane', String(to.account), to.domain),
} as const

/** The keys that cover a mail whichever way it leaves. */
export function destinationKeys(to: Destination): KeyId[] {
  return [
    KEYS.lane(to),
    KEYS.manual(to),
    KEYS.manualAll(to),
    KEYS.senderDomain(to),
    KEYS.networkDomain(to),
    KEYS.networkHosts(to),
    KEYS.networkSite(to),
    KEYS.account(to),
    KEYS.accountSite(to),
  ]
}

/** The keys that one IP adds. */
export function egressKeys(to: Route): KeyId[] {
  return [KEYS.ip(to), KEYS.connection(to), KEYS.warmup(to)]
}
