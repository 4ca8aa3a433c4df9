/**
 * domain-lookup - collects from DNS what the check of a sending domain needs
 *
 * SPF is evaluated by mailauth, as a receiver evaluates it for the Return-Path. A failing resolver is distinguished from "no such record". Never rejects.
 *
 * See also: compose/domain-checks (judges the observation), commands/doctor.
 */
import { X509Certificate } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import { getDomain } from 'tldts'
import type { ObservedDkimKey, ObservedEgressIp, DnsAnswer, DomainObservation } from '../compose/domain-observation.ts'
import type { Certificate } from './certificate.ts'
import type { DnsLookup } from './dns.ts'
import { createMxResolver, type MxResolver } from './mx.ts'

export type DomainLookupOptions = {
  readonly domain: string
  readonly returnPathDomain: string
  readonly feedbackDomain: string
  readonly ehlo: string
  /** Names and addresses of our own SMTP listener. */
  readonly ourHosts: readonly string[]
  readonly egressIps: readonly string[]
  readonly keys: readonly Omit<ObservedDkimKey, 'record'>[]
  /** The operator's certificate; null: a self-signed one. */
  readonly certificate: Pick<Certificate, 'cert'> | null
  readonly outgoingTls: string
  readonly now: number
}

/** Runs all look-ups at the same time. */
export async function lookUpDomain(lookUp: DnsLookup, options: DomainLookupOptions): Promise<DomainObservation> {
  const mx = createMxResolver({ lookUp })
  const { domain, returnPathDomain, feedbackDomain } = options
  const [domainHosts, returnPathHosts, feedbackHosts, dmarc, keys, ips] = await Promise.all([
    lookUpHosts(mx, domain),
    lookUpHosts(mx, returnPathDomain),
    lookUpHosts(mx, feedbackDomain),
    lookUpDmarc(lookUp, domain),
    Promise.all(
      options.keys.map(async (key) => ({ ...key, record: await lookUpTxt(lookUp, `${key.selector}._domainkey.${key.domain}`, /p=/) })),
    ),
    Promise.all(options.egressIps.map((ip) => lookUpIp(lookUp, mx, ip, options))),
  ])
  const { ehlo, ourHosts, outgoingTls, now } = options
  return {
    domain,
    returnPathDomain,
    feedbackDomain,
    ehlo,
    ourHosts,
    outgoingTls,
    now,
    mx: domainHosts.names,
    returnPathMx: returnPathHosts.names,
    returnPathHosts: returnPathHosts.namesAndAddresses,
    feedbackMx: feedbackHosts.names,
    feedbackHosts: feedbackHosts.namesAndAddresses,
    dmarc,
    keys,
    ips,
    certificate: checkCertificate(options, returnPathHosts.names),
  }
}

type MxHosts = { readonly names: DnsAnswer<readonly string[]>; readonly namesAndAddresses: readonly string[] }

/** The MX hosts of a domain, and the same names together with their addresses. */
async function lookUpHosts(mx: MxResolver, domain: string): Promise<MxHosts> {
  const found = await mx.find(domain)
  if (found.kind === 'failed') return { names: found, namesAndAddresses: [] }
  if (found.kind === 'none') return { names: { kind: 'none' }, namesAndAddresses: [] }
  const names = found.hosts.map(({ name }) => name)
  const addresses = await Promise.all(names.map((name) => mx.addressesOf(name, null)))
  const hostAddresses = addresses.flatMap((each) => (each.kind === 'addresses' ? each.addresses : []))
  return { names: { kind: 'found', value: names }, namesAndAddresses: [...names, ...hostAddresses] }
}

/** The first TXT record that matches, its strings joined. */
async function lookUpTxt(lookUp: DnsLookup, name: string, pattern: RegExp): Promise<DnsAnswer<string>> {
  const answer = await query(lookUp, name, 'TXT')
  if (answer.kind !== 'found') return answer
  const found = answer.value.map((pieces) => pieces.join('')).find((text) => pattern.test(text))
  return found === undefined ? { kind: 'none' } : { kind: 'found', value: found }
}

/** The DMARC record of the domain, or else of its organisational domain (RFC 7489 §6.6.3). */
async function lookUpDmarc(lookUp: DnsLookup, domain: string): Promise<DnsAnswer<string>> {
  const own = await lookUpTxt(lookUp, `_dmarc.${domain}`, /^v=DMARC1/i)
  const organisation = getDomain(domain, { allowPrivateDomains: true })
  if (own.kind !== 'none' || organisation === null || organisation === domain) return own
  return lookUpTxt(lookUp, `_dmarc.${organisation}`, /^v=DMARC1/i)
}

async function lookUpIp(
  lookUp: DnsLookup,
  mx: MxResolver,
  ip: string,
  options: Pick<DomainLookupOptions, 'returnPathDomain' | 'ehlo'>,
): Promise<ObservedEgressIp> {
  const family = ip.includes(':') ? 6 : 4
  const resolvesToIp = async (name: string): Promise<boolean> => {
    const found = await mx.addressesOf(name, family)
    return found.kind === 'addresses' && found.addresses.some((each) => isSameAddress(each, ip))
  }
  const answer = await query(lookUp, reverseNameOf(ip), 'PTR')
  const names: DnsAnswer<readonly string[]> =
    answer.kind === 'found' ? { kind: 'found', value: answer.value.flat().map(normaliseName) } : answer
  const all = names.kind === 'found' ? names.value.slice(0, 10) : []
  const areConfirmed = await Promise.all(all.map(resolvesToIp))
  return {
    ip,
    reverseNames: names,
    confirmedNames: all.filter((_, n) => areConfirmed[n] === true),
    resolvesEhlo: await resolvesToIp(options.ehlo),
    spfResult: await checkSpf(lookUp, ip, options),
  }
}

const normaliseName = (name: string): string => name.toLowerCase().replace(/\.$/, '')
const isSameAddress = (a: string, b: string): boolean => ipaddr.isValid(a) && ipaddr.process(a).toString() === ipaddr.process(b).toString()

/** The name of a PTR record (RFC 1035 §3.5, RFC 3596 §2.5). */
function reverseNameOf(ip: string): string {
  const bytes = ipaddr.process(ip).toByteArray()
  if (bytes.length === 4) return `${bytes.toReversed().join('.')}.in-addr.arpa`
  const digits = bytes.flatMap((byte) => [(byte >> 4).toString(16), (byte & 15).toString(16)])
  return `${digits.toReversed().join('.')}.ip6.arpa`
}

async function checkSpf(
  lookUp: DnsLookup,
  ip: string,
  { returnPathDomain, ehlo }: Pick<DomainLookupOptions, 'returnPathDomain' | 'ehlo'>,
): Promise<string> {
  try {
    const { spf } = await import('mailauth/lib/spf/index.js')
    const { status } = await spf({ sender: `postmaster@${returnPathDomain}`, ip, helo: ehlo, mta: 'bounced', resolver: lookUp })
    return status.result
  } catch {
    return 'temperror'
  }
}

/** These codes mean that there is no such record. */
const NO_RECORD_CODES = new Set(['ENOTFOUND', 'ENODATA'])

async function query(lookUp: DnsLookup, name: string, type: string): Promise<DnsAnswer<string[][]>> {
  try {
    const value = (await lookUp(name, type)).map((each) => (typeof each === 'string' ? [each] : each))
    return value.length === 0 ? { kind: 'none' } : { kind: 'found', value }
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
    return typeof code === 'string' && NO_RECORD_CODES.has(code)
      ? { kind: 'none' }
      : { kind: 'failed', text: `${type} ${name}: ${String(code)}` }
  }
}

function checkCertificate({ certificate }: DomainLookupOptions, mx: DnsAnswer<readonly string[]>): DomainObservation['certificate'] {
  if (certificate === null) return { isSelfSigned: true, validTo: null, matchesMx: false }
  const parsed = new X509Certificate(certificate.cert)
  const names = mx.kind === 'found' ? mx.value : []
  return { isSelfSigned: false, validTo: Date.parse(parsed.validTo), matchesMx: names.some((name) => parsed.checkHost(name) !== undefined) }
}
