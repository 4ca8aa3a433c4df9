/**
 * backoff-key - what a backoff covers, as typed values, and their stored form
 *
 * A message leaves by one egress IP for one site. A site is the receiving provider, not the bare domain. A filtering gateway in front of
 * many domains is a site for `ip`, `connection` and `warmup` keys only; for all other keys the recipient's domain replaces it.
 *
 * The stored form is final: rows, facts, events and the API hold it. Only this file writes it and reads it.
 *
 *     ip|192.0.2.1|google   sender-domain|example.com|google   network|mx|a.example.net,b.example.net   account|7   manual|7|example.org   manual|7|*|12
 *
 * Pure. See also: queue/backoff/backoff-classes (which class uses which key), queue/backoff/key-state, queue/backoff/key-scope.
 */

/** What the user reads about a closed key. `lane`, `site` and `warmup` are limits of our own, not backoffs. */
const BACKOFF_KEY_REASONS = {
  ip: 'IP reputation',
  'sender-domain': 'Domain limitation',
  connection: 'IP connection frequency',
  network: 'Server unreachable',
  own: 'Egress unavailable',
  account: 'List quality',
  manual: 'Paused by user',
  lane: 'Rate limit',
  site: 'Site limit',
  warmup: 'IP warm-up',
} as const satisfies Record<Exclude<BackoffKeyKind, 'slots'>, string>

/** `dns`: a recipient domain; `mx`: the MX hosts of a domain; `path`: MX hosts from one egress IP, as `IP HOSTS`; `site`: a site. */
const NETWORK_SCOPES = ['dns', 'mx', 'path', 'site'] as const

/** Who holds connection slots: an MX host set, an account, or all host sets of an account that have not replied yet. */
const SLOT_HOLDERS = ['hosts', 'account', 'unproven'] as const

export type BackoffKey =
  | { readonly kind: 'ip' | 'connection' | 'warmup'; readonly egressIp: string; readonly site: string }
  /** A site from all egress IPs together (queue/shaping). In memory only. */
  | { readonly kind: 'site'; readonly site: string }
  /** An egress IP that this host cannot use. In memory only: an address belongs to a host, and every node finds out for itself. */
  | { readonly kind: 'own'; readonly egressIp: string }
  | { readonly kind: 'sender-domain'; readonly senderDomain: string; readonly site: string }
  | { readonly kind: 'network'; readonly scope: (typeof NETWORK_SCOPES)[number]; readonly name: string }
  /** `site` null: the account at all sites. */
  | { readonly kind: 'account'; readonly account: number; readonly site: string | null }
  /** `domain` null: all domains of the account. `label`: only messages with this label; null: all messages. */
  | { readonly kind: 'manual'; readonly account: number; readonly domain: string | null; readonly label: number | null }
  | { readonly kind: 'lane'; readonly account: number; readonly domain: string }
  /** A holder of connection slots (queue/schedule/fair-share). In memory only. */
  | { readonly kind: 'slots'; readonly holder: (typeof SLOT_HOLDERS)[number]; readonly name: string }

export type BackoffKeyKind = BackoffKey['kind']

/** The stored form of a key: its kind and its parts, separated by `|`. */
export type BackoffKeyId = string

/** Where a message goes, and on whose behalf. All names are lower case. */
export type Destination = {
  readonly account: number
  /** The recipient's domain. */
  readonly domain: string
  readonly senderDomain: string
  readonly site: string
  readonly gateway: boolean
  /** The MX hosts of the domain, sorted and joined by commas; '' where they are not known yet. */
  readonly mxSet: string
}

/** A destination and the egress IP to it. */
export type EgressRoute = Destination & { readonly egressIp: string }

const ALL_DOMAINS = '*'

/** Names come from outside: a `|` in one must not look like a separator. */
export const escapePart = (text: string): string => (text.includes('|') ? text.replaceAll('|', '_') : text)

/** Called for every key of every message: no list is made. */
function joinParts(kind: BackoffKeyKind, first: string, second?: string, third?: string): BackoffKeyId {
  const start = `${kind}|${escapePart(first)}`
  if (second === undefined) return start
  return third === undefined ? `${start}|${escapePart(second)}` : `${start}|${escapePart(second)}|${escapePart(third)}`
}

/**
 * The stored form of a key.
 *
 *     formatKey({ kind: 'manual', account: 7, domain: null, label: null })   → 'manual|7|*'
 */
export function formatKey(key: BackoffKey): BackoffKeyId {
  switch (key.kind) {
    case 'ip':
    case 'connection':
    case 'warmup':
      return joinParts(key.kind, key.egressIp, key.site)
    case 'own':
      return joinParts(key.kind, key.egressIp)
    case 'site':
      return joinParts(key.kind, key.site)
    case 'sender-domain':
      return joinParts(key.kind, key.senderDomain, key.site)
    case 'network':
      return joinParts(key.kind, key.scope, key.name)
    case 'account':
      return key.site === null ? joinParts(key.kind, String(key.account)) : joinParts(key.kind, String(key.account), key.site)
    case 'manual':
      return joinParts(key.kind, String(key.account), key.domain ?? ALL_DOMAINS, key.label === null ? undefined : String(key.label))
    case 'lane':
      return joinParts(key.kind, String(key.account), key.domain)
    case 'slots':
      return joinParts(key.kind, key.holder, key.name)
  }
}

/** `third` is undefined for all kinds but `manual`. */
type ParseParts = (first: string, second: string | undefined, third: string | undefined) => BackoffKey | null

/** The number of an account or of a label. */
const numberOf = (text: string): number | null => (/^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : null)

const parseEgressKey =
  (kind: 'ip' | 'connection' | 'warmup'): ParseParts =>
  (egressIp, site) =>
    site === undefined ? null : { kind, egressIp, site }

const PARSERS: Readonly<Record<BackoffKeyKind, ParseParts>> = {
  ip: parseEgressKey('ip'),
  connection: parseEgressKey('connection'),
  warmup: parseEgressKey('warmup'),
  own: (egressIp, more) => (more === undefined ? { kind: 'own', egressIp } : null),
  site: (site, more) => (more === undefined ? { kind: 'site', site } : null),
  'sender-domain': (senderDomain, site) => (site === undefined ? null : { kind: 'sender-domain', senderDomain, site }),
  network: (first, name) => {
    const scope = NETWORK_SCOPES.find((each) => each === first)
    return scope === undefined || name === undefined ? null : { kind: 'network', scope, name }
  },
  account: (first, site) => {
    const account = numberOf(first)
    return account === null ? null : { kind: 'account', account, site: site ?? null }
  },
  manual: (first, domain, third) => {
    const [account, label] = [numberOf(first), third === undefined ? null : numberOf(third)]
    if (account === null || domain === undefined || (third !== undefined && label === null)) return null
    return { kind: 'manual', account, domain: domain === ALL_DOMAINS ? null : domain, label }
  },
  lane: (first, domain) => {
    const account = numberOf(first)
    return account === null || domain === undefined ? null : { kind: 'lane', account, domain }
  },
  slots: (first, name) => {
    const holder = SLOT_HOLDERS.find((each) => each === first)
    return holder === undefined || name === undefined ? null : { kind: 'slots', holder, name }
  },
}

const KEY_KINDS: ReadonlySet<string> = new Set(Object.keys(PARSERS))

const isKeyKind = (text: string): text is BackoffKeyKind => KEY_KINDS.has(text)

/** A key by its stored form; null for any other text. Total. `formatKey` of the result is the text again. */
export function parseKey(id: BackoffKeyId): BackoffKey | null {
  const [kind = '', first, second, third, ...others] = id.split('|')
  if (first === undefined || others.length > 0 || !isKeyKind(kind) || (third !== undefined && kind !== 'manual')) return null
  return PARSERS[kind](first, second, third)
}

/** The kind of a stored form, without reading its parts; null for any other text. */
export function keyKindOf(id: BackoffKeyId): BackoffKeyKind | null {
  const kind = id.slice(0, id.indexOf('|'))
  return isKeyKind(kind) ? kind : null
}

/** What the user reads about a key. Null for none, for a holder of slots, and for text that is no key. */
export function keyReasonOf(id: BackoffKeyId | null): string | null {
  const kind = id === null ? null : keyKindOf(id)
  return kind === null || kind === 'slots' ? null : BACKOFF_KEY_REASONS[kind]
}

/** The site for all keys that know no egress IP. */
export const effectiveSite = (to: Destination): string => (to.gateway ? to.domain : to.site)

/** The hosts of a destination. A domain whose hosts are not known stands for itself. */
export const hostsOf = (to: Destination): string => (to.mxSet === '' ? to.domain : to.mxSet)

/** The keys of a route, in their stored form. */
export const BACKOFF_KEYS = {
  ip: ({ egressIp, site }: EgressRoute) => formatKey({ kind: 'ip', egressIp, site }),
  connection: ({ egressIp, site }: EgressRoute) => formatKey({ kind: 'connection', egressIp, site }),
  warmup: ({ egressIp, site }: EgressRoute) => formatKey({ kind: 'warmup', egressIp, site }),
  senderDomain: (to: Destination) => formatKey({ kind: 'sender-domain', senderDomain: to.senderDomain, site: effectiveSite(to) }),
  /** DNS failures. */
  networkDomain: ({ domain }: Destination) => formatKey({ kind: 'network', scope: 'dns', name: domain }),
  /** Connect failures. */
  networkHosts: (to: Destination) => formatKey({ kind: 'network', scope: 'mx', name: hostsOf(to) }),
  networkSite: (to: Destination) => formatKey({ kind: 'network', scope: 'site', name: effectiveSite(to) }),
  /** Connect failures from one egress IP. */
  networkPath: (to: EgressRoute) => formatKey({ kind: 'network', scope: 'path', name: `${to.egressIp} ${hostsOf(to)}` }),
  site: ({ site }: Pick<Destination, 'site'>) => formatKey({ kind: 'site', site }),
  own: ({ egressIp }: Pick<EgressRoute, 'egressIp'>) => formatKey({ kind: 'own', egressIp }),
  account: ({ account }: Pick<Destination, 'account'>) => formatKey({ kind: 'account', account, site: null }),
  accountSite: (to: Destination) => formatKey({ kind: 'account', account: to.account, site: effectiveSite(to) }),
  manualAll: ({ account }: Pick<Destination, 'account'>) => formatKey({ kind: 'manual', account, domain: null, label: null }),
  manual: ({ account, domain }: Pick<Destination, 'account' | 'domain'>) => formatKey({ kind: 'manual', account, domain, label: null }),
  lane: ({ account, domain }: Pick<Destination, 'account' | 'domain'>) => formatKey({ kind: 'lane', account, domain }),
} as const

/** The keys that cover a message whichever egress IP it leaves by. */
export function destinationKeys(to: Destination): BackoffKeyId[] {
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

/** The manual pauses that a label adds: of the label, and of the label at the domain. */
export const labelKeys = ({
  account,
  domain,
  label,
}: Pick<Destination, 'account' | 'domain'> & { readonly label?: number }): BackoffKeyId[] =>
  label === undefined
    ? []
    : [formatKey({ kind: 'manual', account, domain, label }), formatKey({ kind: 'manual', account, domain: null, label })]

/** The keys that one egress IP adds. `isOnlyIp`: the pool has no other, so that its paths are those of the host set. */
export function egressKeys(to: EgressRoute, isOnlyIp: boolean): BackoffKeyId[] {
  const keys = [BACKOFF_KEYS.ip(to), BACKOFF_KEYS.connection(to), BACKOFF_KEYS.warmup(to), BACKOFF_KEYS.own(to)]
  return isOnlyIp ? keys : [...keys, BACKOFF_KEYS.networkPath(to)]
}
