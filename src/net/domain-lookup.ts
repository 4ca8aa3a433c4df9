/**
 * domain-lookup - asks DNS for all that a check-up looks at
 *
 * SPF is mailauth's word, as a receiver would have it for the Return-Path. A resolver that fails is told apart from one that says "none". Never
 * rejects.
 *
 * See also: compose/domain-checks (what it means), commands/doctor.
 */
import { X509Certificate } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import { getDomain } from 'tldts'
import type { KeySeen, IpSeen, Said, Seen } from '../compose/domain-checks.ts'
import type { Certificate } from './certificate.ts'
import type { LookUp } from './dns.ts'
import { createMxLookUp, type MxLookUp } from './mx.ts'

export type Examination = {
  readonly domain: string
  readonly returnPathDomain: string
  readonly feedbackDomain: string
  readonly ehlo: string
  /** Names and addresses of our own door. */
  readonly ourHosts: readonly string[]
  readonly egressIps: readonly string[]
  readonly keys: readonly Omit<KeySeen, 'record'>[]
  /** The operator's; null: one of our own making. */
  readonly certificate: Pick<Certificate, 'cert'> | null
  readonly outgoingTls: string
  readonly now: number
}

/** Asks everything at once. */
export async function examine(lookUp: LookUp, wish: Examination): Promise<Seen> {
  const mx = createMxLookUp({ lookUp })
  const { domain, returnPathDomain, feedbackDomain } = wish
  const [own, back, feedback, dmarc, keys, ips] = await Promise.all([
    hostsOf(mx, domain),
    hostsOf(mx, returnPathDomain),
    hostsOf(mx, feedbackDomain),
    dmarcOf(lookUp, domain),
    Promise.all(
      wish.keys.map(async (key) => ({ ...key, record: await recordOf(lookUp, `${key.selector}._domainkey.${key.domain}`, /p=/) })),
    ),
    Promise.all(wish.egressIps.map((ip) => examineIp(lookUp, mx, { ip, wish }))),
  ])
  const { ehlo, ourHosts, outgoingTls, now } = wish
  return {
    domain,
    returnPathDomain,
    feedbackDomain,
    ehlo,
    ourHosts,
    outgoingTls,
    now,
    mx: own.said,
    returnPathMx: back.said,
    returnPathHosts: back.places,
    feedbackMx: feedback.said,
    feedbackHosts: feedback.places,
    dmarc,
    keys,
    ips,
    certificate: certificateSeen(wish, back.said),
  }
}

/** The hosts, and they with their addresses. */
async function hostsOf(mx: MxLookUp, domain: string): Promise<{ said: Said<readonly string[]>; places: readonly string[] }> {
  const found = await mx.find(domain)
  if (found.kind === 'failed') return { said: found, places: [] }
  if (found.kind === 'none') return { said: { kind: 'none' }, places: [] }
  const names = found.hosts.map(({ name }) => name)
  const addresses = await Promise.all(names.map((name) => mx.addressesOf(name, null)))
  const places = addresses.flatMap((each) => (each.kind === 'addresses' ? each.addresses : []))
  return { said: { kind: 'found', value: names }, places: [...names, ...places] }
}

/** A TXT record that fits; its pieces joined. */
async function recordOf(lookUp: LookUp, name: string, fits: RegExp): Promise<Said<string>> {
  const said = await ask(lookUp, name, 'TXT')
  if (said.kind !== 'found') return said
  const found = said.value.map((pieces) => pieces.join('')).find((text) => fits.test(text))
  return found === undefined ? { kind: 'none' } : { kind: 'found', value: found }
}

/** RFC 7489 §6.6.3: the domain's own, else its organisation's. */
async function dmarcOf(lookUp: LookUp, domain: string): Promise<Said<string>> {
  const own = await recordOf(lookUp, `_dmarc.${domain}`, /^v=DMARC1/i)
  const organisation = getDomain(domain, { allowPrivateDomains: true })
  if (own.kind !== 'none' || organisation === null || organisation === domain) return own
  return recordOf(lookUp, `_dmarc.${organisation}`, /^v=DMARC1/i)
}

async function examineIp(lookUp: LookUp, mx: MxLookUp, { ip, wish }: { readonly ip: string; readonly wish: Examination }): Promise<IpSeen> {
  const family = ip.includes(':') ? 6 : 4
  const leadsHere = async (name: string): Promise<boolean> => {
    const found = await mx.addressesOf(name, family)
    return found.kind === 'addresses' && found.addresses.some((each) => isSame(each, ip))
  }
  const said = await ask(lookUp, reverseOf(ip), 'PTR')
  const names: Said<readonly string[]> = said.kind === 'found' ? { kind: 'found', value: said.value.flat().map(plain) } : said
  const all = names.kind === 'found' ? names.value.slice(0, 10) : []
  const leads = await Promise.all(all.map(leadsHere))
  return {
    ip,
    names,
    confirmed: all.filter((_, n) => leads[n] === true),
    ehlo: await leadsHere(wish.ehlo),
    spf: await spfOf(lookUp, ip, wish),
  }
}

const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '')
const isSame = (a: string, b: string): boolean => ipaddr.isValid(a) && ipaddr.process(a).toString() === ipaddr.process(b).toString()

/** RFC 1035 §3.5, RFC 3596 §2.5. */
function reverseOf(ip: string): string {
  const bytes = ipaddr.process(ip).toByteArray()
  if (bytes.length === 4) return `${bytes.toReversed().join('.')}.in-addr.arpa`
  const digits = bytes.flatMap((byte) => [(byte >> 4).toString(16), (byte & 15).toString(16)])
  return `${digits.toReversed().join('.')}.ip6.arpa`
}

async function spfOf(lookUp: LookUp, ip: string, { returnPathDomain, ehlo }: Examination): Promise<string> {
  try {
    const { spf } = await import('mailauth/lib/spf/index.js')
    const { status } = await spf({ sender: `postmaster@${returnPathDomain}`, ip, helo: ehlo, mta: 'bounced', resolver: lookUp })
    return status.result
  } catch {
    return 'temperror'
  }
}

/** What says that there is no such record. */
const NONE = new Set(['ENOTFOUND', 'ENODATA'])

async function ask(lookUp: LookUp, name: string, type: string): Promise<Said<string[][]>> {
  try {
    const value = (await lookUp(name, type)).map((each) => (typeof each === 'string' ? [each] : each))
    return value.length === 0 ? { kind: 'none' } : { kind: 'found', value }
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
    return typeof code === 'string' && NONE.has(code) ? { kind: 'none' } : { kind: 'failed', text: `${type} ${name}: ${String(code)}` }
  }
}

function certificateSeen({ certificate }: Examination, mx: Said<readonly string[]>): Seen['certificate'] {
  if (certificate === null) return { own: true, validTo: null, fits: false }
  const read = new X509Certificate(certificate.cert)
  const names = mx.kind === 'found' ? mx.value : []
  return { own: false, validTo: Date.parse(read.validTo), fits: names.some((name) => read.checkHost(name) !== undefined) }
}
