/**
 * domain-checks - whether a sender's domain is set up so that its mail arrives and what comes back reaches us
 *
 * Each check is a row: how it stands, what was seen, and what to do. `fail` is what receivers refuse or what loses reports; `warn` is what costs
 * reputation or could not be seen from here.
 *
 * Pure: DNS was asked by net/domain-lookup. RFC 7208, 6376, 7489, 9477; the demands of Gmail and Yahoo on bulk senders. See also: commands/doctor.
 */
import { getDomain } from 'tldts'

export type CheckLevel = 'ok' | 'warn' | 'fail'
export type DomainCheck = { readonly id: string; readonly level: CheckLevel; readonly seen: string; readonly todo: string | null }

/** What DNS said: records, none, or nothing that can be relied on. */
export type DnsAnswer<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly text: string }

export type ObservedDkimKey = {
  /** What signs: the domain itself, or the one that it is registered under. */
  readonly domain: string
  readonly selector: string
  /** What of it signs today. */
  readonly state: 'waiting' | 'active' | 'retired'
  /** Base64 of p= as we hold it; null: it is none of ours, and only its being there counts. */
  readonly publicKey: string | null
  readonly record: DnsAnswer<string>
}

export type ObservedEgressIp = {
  readonly ip: string
  readonly spfResult: string
  /** Names of the address; and of them those that resolve back to it. */
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
  /** Our door's names and addresses, and those that the MX hosts have. */
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

/** RFC 5321 §4.5.3.1.1: 64 octets must hold SRS0's frame, our domain and a token. */
const MAX_RETURN_PATH_DOMAIN_OCTETS = 20
const DAY_MS = 86_400_000
const EXPIRY_WARNING_MS = 14 * DAY_MS

/** Every check, in the order in which they are shown. */
export function checkDomain(observed: DomainObservation): readonly DomainCheck[] {
  return [
    mxCheck(observed),
    ...ourMxChecks(observed),
    ...observed.ips.map((ip) => spfCheck(observed, ip)),
    ...egressChecks(observed),
    ...keyChecks(observed),
    dmarcCheck(observed),
    alignmentCheck(observed),
    ...observed.ips.flatMap((ip) => [ptrCheck(ip), ehloCheck(observed, ip)]),
    cfblCheck(observed),
    srsCheck(observed),
    ...tlsChecks(observed),
  ]
}

const createCheck = (id: string, level: CheckLevel, what: string, todo: string | null = null): DomainCheck => ({
  id,
  level,
  seen: what,
  todo,
})
const createUnansweredCheck = (id: string, text: string): DomainCheck =>
  createCheck(id, 'warn', `DNS gave no answer (${text})`, 'ask again; if it stays so, mend the name servers')

function mxCheck({ domain, mx }: DomainObservation): DomainCheck {
  if (mx.kind === 'failed') return createUnansweredCheck('mx', mx.text)
  if (mx.kind === 'found') return createCheck('mx', 'ok', `${domain} takes mail at ${mx.value.join(', ')}`)
  return createCheck('mx', 'fail', `${domain} takes no mail`, `publish an MX: receivers refuse senders that cannot be written to`)
}

function ourMxChecks(observed: DomainObservation): readonly DomainCheck[] {
  const { returnPathDomain, feedbackDomain } = observed
  const rows = [
    { id: 'return-path-mx', domain: returnPathDomain, mx: observed.returnPathMx, hosts: observed.returnPathHosts, lost: 'bounces' },
    { id: 'feedback-mx', domain: feedbackDomain, mx: observed.feedbackMx, hosts: observed.feedbackHosts, lost: 'complaints' },
  ] as const
  return rows.map(({ id, domain, mx, hosts, lost }) => {
    if (mx.kind === 'failed') return createUnansweredCheck(id, mx.text)
    if (mx.kind === 'none')
      return createCheck(id, 'fail', `${domain} has no MX`, `publish one that names this daemon: ${lost} are lost without it`)
    const reverseNames = mx.value.join(', ')
    if (hosts.some((host) => observed.ourHosts.includes(host))) return createCheck(id, 'ok', `${domain} comes to us (${reverseNames})`)
    return createCheck(
      id,
      'warn',
      `${domain} goes to ${reverseNames}, which is no address of ours`,
      `see that port 25 there leads to this daemon, or name its address with --ip`,
    )
  })
}

const SPF_LEVELS: Readonly<Record<string, CheckLevel>> = { pass: 'ok', softfail: 'warn', neutral: 'warn', temperror: 'warn' }

function spfCheck({ returnPathDomain }: DomainObservation, { ip, spfResult }: ObservedEgressIp): DomainCheck {
  const level = SPF_LEVELS[spfResult] ?? 'fail'
  const family = ip.includes(':') ? 'ip6' : 'ip4'
  const todo = level === 'ok' ? null : `put ${family}:${ip} into the SPF record of ${returnPathDomain} (v=spf1 ${family}:${ip} -all)`
  return createCheck('spf', level, `${returnPathDomain} for ${ip}: ${spfResult}`, todo)
}

const egressChecks = ({ ips }: DomainObservation): readonly DomainCheck[] =>
  ips.length > 0
    ? []
    : [
        createCheck(
          'egress',
          'warn',
          'no egress IP is known',
          'set delivery.egressIps, or name them with --ip: SPF, PTR and EHLO cannot be checked',
        ),
      ]

function keyChecks({ keys, domain }: DomainObservation): readonly DomainCheck[] {
  const used = keys.filter(({ state }) => state !== 'retired')
  if (!used.some(({ state }) => state === 'active'))
    return [
      createCheck('dkim', 'fail', `nothing signs for ${domain}`, `make a key (bounced dkim add ${domain}) and publish its record`),
      ...used.map(keyCheck),
    ]
  return used.map(keyCheck)
}

function keyCheck({ selector, state, publicKey, record }: ObservedDkimKey): DomainCheck {
  const name = `selector ${selector}`
  const absent: CheckLevel = state === 'active' ? 'fail' : 'warn'
  if (record.kind === 'failed') return createUnansweredCheck('dkim', record.text)
  if (record.kind === 'none')
    return createCheck('dkim', absent, `${name} has no record`, 'publish it, or stop signing with it: every signature of it fails')
  const published = tagValueOf(record.value, 'p')
  if (published === '') return createCheck('dkim', absent, `${name} is revoked (empty p=)`, 'use another key')
  if (publicKey !== null && published !== publicKey)
    return createCheck(
      'dkim',
      absent,
      `${name} publishes another key than ours`,
      'publish the record that the key was made with (bounced dkim list)',
    )
  if (/(?:^|:)y(?:$|:)/.test(tagValueOf(record.value, 't') ?? ''))
    return createCheck('dkim', 'warn', `${name} is in test mode (t=y)`, 'take t=y out: receivers treat the mail as unsigned')
  return createCheck('dkim', 'ok', `${name} is published${state === 'waiting' ? ', and not in use yet' : ''}`)
}

/** The value of a tag, without white space; null where it is not there. */
function tagValueOf(record: string, name: string): string | null {
  const found = record.split(';').find((each) => each.trim().toLowerCase().startsWith(`${name}=`))
  return found === undefined ? null : found.slice(found.indexOf('=') + 1).replaceAll(/\s+/g, '')
}

function dmarcCheck({ domain, dmarc }: DomainObservation): DomainCheck {
  if (dmarc.kind === 'failed') return createUnansweredCheck('dmarc', dmarc.text)
  const todo = `publish _dmarc.${domain} TXT "v=DMARC1; p=none; rua=mailto:…": large receivers demand it of bulk senders`
  if (dmarc.kind === 'none') return createCheck('dmarc', 'fail', `${domain} has no DMARC record`, todo)
  const policy = tagValueOf(dmarc.value, 'p')?.toLowerCase() ?? ''
  if (!['none', 'quarantine', 'reject'].includes(policy))
    return createCheck('dmarc', 'fail', `the DMARC record has no policy that is known (p=${policy})`, todo)
  if (policy === 'none')
    return createCheck('dmarc', 'warn', 'policy none', 'when the reports (rua=) show only your own mail, move to quarantine, then reject')
  return createCheck('dmarc', 'ok', `policy ${policy}`)
}

const organisationalDomainOf = (name: string): string => getDomain(name, { allowPrivateDomains: true }) ?? name

/** RFC 7489 §3.1: relaxed is the same organisational domain, strict the same name. */
const isAligned = (name: string, domain: string, mode: string | null): boolean =>
  mode === 's' ? name === domain : organisationalDomainOf(name) === organisationalDomainOf(domain)

/** DMARC passes when SPF or DKIM passes for a domain that is aligned with From. */
function alignmentCheck({ domain, returnPathDomain, dmarc, keys, ips }: DomainObservation): DomainCheck {
  const record = dmarc.kind === 'found' ? dmarc.value : ''
  const bySpf =
    isAligned(returnPathDomain, domain, tagValueOf(record, 'aspf')) && ips.length > 0 && ips.every(({ spfResult }) => spfResult === 'pass')
  const byDkim = keys.some(
    (key) => key.state === 'active' && key.record.kind === 'found' && isAligned(key.domain, domain, tagValueOf(record, 'adkim')),
  )
  if (bySpf && byDkim) return createCheck('alignment', 'ok', 'SPF and DKIM both speak for the domain in From')
  if (byDkim) return createCheck('alignment', 'ok', `DKIM speaks for the domain in From; the Return-Path (${returnPathDomain}) does not`)
  if (bySpf)
    return createCheck(
      'alignment',
      'warn',
      'only SPF speaks for the domain in From',
      `sign with a key of ${domain}: SPF breaks wherever mail is forwarded`,
    )
  return createCheck(
    'alignment',
    'fail',
    'neither SPF nor DKIM speaks for the domain in From',
    `sign with a key of ${domain}, or take a Return-Path domain below it`,
  )
}

function ptrCheck({ ip, reverseNames, confirmedNames }: ObservedEgressIp): DomainCheck {
  if (reverseNames.kind === 'failed') return createUnansweredCheck('ptr', reverseNames.text)
  if (reverseNames.kind === 'none')
    return createCheck('ptr', 'fail', `${ip} has no name`, 'have the owner of the address set its PTR: many receivers refuse without')
  if (confirmedNames.length === 0)
    return createCheck(
      'ptr',
      'fail',
      `${ip} is called ${reverseNames.value.join(', ')}, which does not lead back to it`,
      'give that name an A or AAAA record with this address',
    )
  return createCheck('ptr', 'ok', `${ip} is ${confirmedNames.join(', ')}, and back`)
}

function ehloCheck({ ehlo }: DomainObservation, { ip, resolvesEhlo, confirmedNames }: ObservedEgressIp): DomainCheck {
  if (confirmedNames.includes(ehlo)) return createCheck('ehlo', 'ok', `${ehlo} is the name of ${ip}`)
  if (resolvesEhlo)
    return createCheck(
      'ehlo',
      'warn',
      `${ehlo} leads to ${ip}, whose own name is another`,
      'give the address this PTR, or set delivery.ehlo to its name',
    )
  return createCheck('ehlo', 'fail', `${ehlo} does not lead to ${ip}`, 'set delivery.ehlo to a name that resolves to the egress IP')
}

/** RFC 9477 §3.1.1: the address must lie in the domain of From, or its domain must sign too. */
function cfblCheck({ domain, feedbackDomain }: DomainObservation): DomainCheck {
  if (isAligned(feedbackDomain, domain, null))
    return createCheck('cfbl', 'ok', `complaints go to fbl@${feedbackDomain}, of the same organisation`)
  return createCheck(
    'cfbl',
    'warn',
    `fbl@${feedbackDomain} is not of ${organisationalDomainOf(domain)}`,
    `take a feedback domain below ${organisationalDomainOf(domain)}, or sign with a key of ${feedbackDomain} too`,
  )
}

function srsCheck({ returnPathDomain }: DomainObservation): DomainCheck {
  const { length } = returnPathDomain
  if (length <= MAX_RETURN_PATH_DOMAIN_OCTETS) return createCheck('srs', 'ok', `the Return-Path domain has ${length} octets`)
  return createCheck(
    'srs',
    'warn',
    `the Return-Path domain has ${length} octets`,
    `take one of ${MAX_RETURN_PATH_DOMAIN_OCTETS} at most: forwarders that rewrite by SRS may cut our token`,
  )
}

function tlsChecks({ certificate, outgoingTls, now }: DomainObservation): readonly DomainCheck[] {
  const { isSelfSigned, validTo, matchesMx } = certificate
  const out =
    outgoingTls === 'off'
      ? createCheck('tls-out', 'warn', 'mail leaves in the clear', 'set delivery.tls to opportunistic')
      : createCheck('tls-out', 'ok', `STARTTLS to receivers: ${outgoingTls}`)
  if (isSelfSigned)
    return [
      createCheck(
        'tls-in',
        'warn',
        'our door has a certificate of our own making',
        'set tls.cert and tls.key: senders with MTA-STS or DANE check it',
      ),
      out,
    ]
  if (validTo !== null && validTo <= now) return [createCheck('tls-in', 'fail', 'the certificate has expired', 'renew it'), out]
  if (validTo !== null && validTo - now < EXPIRY_WARNING_MS)
    return [createCheck('tls-in', 'warn', `the certificate ends in ${Math.ceil((validTo - now) / DAY_MS)} days`, 'renew it'), out]
  return [
    createCheck(
      'tls-in',
      matchesMx ? 'ok' : 'warn',
      matchesMx ? 'the certificate is good' : 'the certificate is for another name than the MX',
      matchesMx ? null : 'get one with the name of the MX host',
    ),
    out,
  ]
}
