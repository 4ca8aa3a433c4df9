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
export const BACKOFF_KEY_REASONS = {
  ip: 'IP reputation',
  'sender-domain': 'Domain limitation',
  connection: 'IP connection frequency',
  network: 'Server unreachable',
  account: 'List quality',
  manual: 'Paused by user',
  lane: 'Rate limit',
  warmup: 'IP warm-up',
} as const satisfies Record<string, string>

export type BackoffKeyKind = keyof typeof BACKOFF_KEY_REASONS

/** Kind and names, parted by `|`. */
export type BackoffKey = string

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
export type EgressRoute = Destination & { readonly egressIp: string }

/** A part of a key: no `|` of a stranger's may stand in it. */
const escapeKeyPart = (text: string): string => (text.includes('|') ? text.replaceAll('|', '_') : text)

const joinKey = (kind: BackoffKeyKind, first: string, second?: string): BackoffKey =>
  second === undefined ? `${kind}|${escapeKeyPart(first)}` : `${kind}|${escapeKeyPart(first)}|${escapeKeyPart(second)}`

/** The kind of a key. */
export function keyKindOf(key: BackoffKey): BackoffKeyKind | null {
  const kind = key.slice(0, key.indexOf('|'))
  return isKeyKind(kind) ? kind : null
}

const isKeyKind = (text: string): text is BackoffKeyKind => Object.hasOwn(BACKOFF_KEY_REASONS, text)

/** The site for all keys but ip and connection. */
const effectiveSite = (to: Destination): string => (to.gateway ? to.domain : to.site)

/** Each key of a route by its name. */
export const BACKOFF_KEYS = {
  ip: (to: EgressRoute) => joinKey('ip', to.egressIp, to.site),
  connection: (to: EgressRoute) => joinKey('connection', to.egressIp, to.site),
  warmup: (to: EgressRoute) => joinKey('warmup', to.egressIp, to.site),
  senderDomain: (to: Destination) => joinKey('sender-domain', to.senderDomain, effectiveSite(to)),
  /** A DNS failure. */
  networkDomain: (to: Destination) => joinKey('network', 'dns', to.domain),
  /** A connect failure. A domain whose hosts are not known stands for itself. */
  networkHosts: (to: Destination) => joinKey('network', 'mx', to.mxSet === '' ? to.domain : to.mxSet),
  networkSite: (to: Destination) => joinKey('network', 'site', effectiveSite(to)),
  account: (to: Pick<Destination, 'account'>) => joinKey('account', String(to.account)),
  accountSite: (to: Destination) => joinKey('account', String(to.account), effectiveSite(to)),
  manualAll: (to: Pick<Destination, 'account'>) => joinKey('manual', String(to.account), '*'),
  manual: (to: Pick<Destination, 'account' | 'domain'>) => joinKey('manual', String(to.account), to.domain),
  lane: (to: Pick<Destination, 'account' | 'domain'>) => joinKey('lane', String(to.account), to.domain),
} as const

/** The keys that cover a mail whichever way it leaves. */
export function destinationKeys(to: Destination): BackoffKey[] {
  return [
    BACKOFF_KEYS.lane(to),
    BACKOFF_KEYS.manual(to),
    BACKOFF_KEYS.manualAll(to),
    BACKOFF_KEYS.senderDomain(to),
    BACKOFF_KEYS.networkDomain(to),
    BACKOFF_KEYS.networkHosts(to),
    BACKOFF_KEYS.networkSite(to),
    BACKOFF_KEYS.account(to),
    BACKOFF_KEYS.accountSite(to),
  ]
}

/** The keys that one IP adds. */
export function egressKeys(to: EgressRoute): BackoffKey[] {
  return [BACKOFF_KEYS.ip(to), BACKOFF_KEYS.connection(to), BACKOFF_KEYS.warmup(to)]
}
