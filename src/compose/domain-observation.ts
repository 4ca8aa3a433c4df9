/**
 * domain-observation - what was observed about a sender's domain: DNS records, keys, egress IPs, certificate
 *
 * Pure. See also: net/domain-lookup (observes), compose/domain-checks (judges).
 */

/** The result of a DNS query: records, none, or no reliable answer. */
export type DnsAnswer<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly text: string }

/** A DKIM key of the domain, and its record in DNS. */
export type ObservedDkimKey = {
  /** The signing domain: the domain itself, or its organisational domain. */
  readonly domain: string
  readonly selector: string
  /** Whether we sign with it. */
  readonly state: 'waiting' | 'active' | 'retired'
  /** Our own public key as the base64 of p=; null: not our key, so only the existence of the record is checked. */
  readonly publicKey: string | null
  readonly record: DnsAnswer<string>
}

export type ObservedEgressIp = {
  readonly ip: string
  readonly spfResult: string
  /** PTR names of the address. `confirmedNames` are those that resolve back to it. */
  readonly reverseNames: DnsAnswer<readonly string[]>
  readonly confirmedNames: readonly string[]
  /** Whether the EHLO name resolves to it. */
  readonly resolvesEhlo: boolean
}

export type DomainObservation = {
  readonly domain: string
  readonly returnPathDomain: string
  readonly feedbackDomain: string
  readonly ehlo: string
  readonly mx: DnsAnswer<readonly string[]>
  readonly returnPathMx: DnsAnswer<readonly string[]>
  readonly feedbackMx: DnsAnswer<readonly string[]>
  /** Names and addresses of our SMTP listener, and those of the MX hosts. */
  readonly ourHosts: readonly string[]
  readonly returnPathHosts: readonly string[]
  readonly feedbackHosts: readonly string[]
  readonly keys: readonly ObservedDkimKey[]
  readonly dmarc: DnsAnswer<string>
  readonly ips: readonly ObservedEgressIp[]
  readonly certificate: { readonly isSelfSigned: boolean; readonly validTo: number | null; readonly matchesMx: boolean }
  readonly outgoingTls: string
  readonly now: number
}
