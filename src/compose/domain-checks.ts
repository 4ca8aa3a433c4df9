/**
 * domain-checks - whether a sender's domain is set up so that its mail arrives and what comes back reaches us
 *
 * Each check is a row: how it stands, what was seen, and what to do. `fail` is what receivers refuse or what loses reports; `warn` is what costs
 * reputation or could not be seen from here.
 *
 * Pure: DNS was asked by net/domain-lookup. RFC 7208, 6376, 7489, 9477; the demands of Gmail and Yahoo on bulk senders. See also: commands/doctor.
 */
import { getDomain } from 'tldts'

export type Level = 'ok' | 'warn' | 'fail'
export type Check = { readonly id: string; readonly level: Level; readonly seen: string; readonly todo: string | null }

/** What DNS said: records, none, or nothing that can be relied on. */
export type Said<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly text: string }

export type KeySeen = {
  /** What signs: the domain itself, or the one that it is registered under. */
  readonly domain: string
  readonly selector: string
  /** What of it signs today. */
  readonly state: 'waiting' | 'active' | 'retired'
  /** Base64 of p= as we hold it; null: it is none of ours, and only its being there counts. */
  readonly publicKey: string | null
  readonly record: Said<string>
}

export type IpSeen = {
  readonly ip: string
  readonly spf: string
  /** Names of the address; and of them those that resolve back to it. */
  readonly names: Said<readonly string[]>
  readonly confirmed: readonly string[]
  /** Whether the EHLO name resolves to it. */
  readonly ehlo: boolean
}

export type Seen = {
  readonly domain: string
  readonly returnPathDomain: string
  readonly feedbackDomain: string
  readonly ehlo: string
  readonly mx: Said<readonly string[]>
  readonly returnPathMx: Said<readonly string[]>
  readonly feedbackMx: Said<readonly string[]>
  /** Our door's names and addresses, and those that the MX hosts have. */
  readonly ourHosts: readonly string[]
  readonly returnPathHosts: readonly string[]
  readonly feedbackHosts: readonly string[]
  readonly keys: readonly KeySeen[]
  readonly dmarc: Said<string>
  readonly ips: readonly IpSeen[]
  readonly certificate: { readonly own: boolean; readonly validTo: number | null; readonly fits: boolean }
  readonly outgoingTls: string
  readonly now: number
}

/** RFC 5321 §4.5.3.1.1: 64 octets must hold SRS0's frame, our domain and a token. */
const LONGEST_RETURN_PATH = 20
const DAY_MS = 86_400_000
const SOON_MS = 14 * DAY_MS

/** Every check, in the order in which they are shown. */
export function checkUp(seen: Seen): readonly Check[] {
  return [
    mxCheck(seen),
    ...ourMxChecks(seen),
    ...seen.ips.map((ip) => spfCheck(seen, ip)),
    ...noIp(seen),
    ...keyChecks(seen),
    dmarcCheck(seen),
    alignmentCheck(seen),
    ...seen.ips.flatMap((ip) => [ptrCheck(ip), ehloCheck(seen, ip)]),
    cfblCheck(seen),
    srsCheck(seen),
    ...tlsChecks(seen),
  ]
}

const row = (id: string, level: Level, what: string, todo: string | null = null): Check => ({ id, level, seen: what, todo })
const unasked = (id: string, text: string): Check =>
  row(id, 'warn', `DNS gave no answer (${text})`, 'ask again; if it stays so, mend the name servers')

function mxCheck({ domain, mx }: Seen): Check {
  if (mx.kind === 'failed') return unasked('mx', mx.text)
  if (mx.kind === 'found') return row('mx', 'ok', `${domain} takes mail at ${mx.value.join(', ')}`)
  return row('mx', 'fail', `${domain} takes no mail`, `publish an MX: receivers refuse senders that cannot be written to`)
}

function ourMxChecks(seen: Seen): readonly Check[] {
  const { returnPathDomain, feedbackDomain } = seen
  const rows = [
    { id: 'return-path-mx', domain: returnPathDomain, mx: seen.returnPathMx, hosts: seen.returnPathHosts, lost: 'bounces' },
    { id: 'feedback-mx', domain: feedbackDomain, mx: seen.feedbackMx, hosts: seen.feedbackHosts, lost: 'complaints' },
  ] as const
  return rows.map(({ id, domain, mx, hosts, lost }) => {
    if (mx.kind === 'failed') return unasked(id, mx.text)
    if (mx.kind === 'none') return row(id, 'fail', `${domain} has no MX`, `publish one that names this daemon: ${lost} are lost without it`)
    const names = mx.value.join(', ')
    if (hosts.some((host) => seen.ourHosts.includes(host))) return row(id, 'ok', `${domain} comes to us (${names})`)
    return row(
      id,
      'warn',
      `${domain} goes to ${names}, which is no address of ours`,
      `see that port 25 there leads to this daemon, or name its address with --ip`,
    )
  })
}

const SPF_LEVELS: Readonly<Record<string, Level>> = { pass: 'ok', softfail: 'warn', neutral: 'warn', temperror: 'warn' }

function spfCheck({ returnPathDomain }: Seen, { ip, spf }: IpSeen): Check {
  const level = SPF_LEVELS[spf] ?? 'fail'
  const family = ip.includes(':') ? 'ip6' : 'ip4'
  const todo = level === 'ok' ? null : `put ${family}:${ip} into the SPF record of ${returnPathDomain} (v=spf1 ${family}:${ip} -all)`
  return row('spf', level, `${returnPathDomain} for ${ip}: ${spf}`, todo)
}

const noIp = ({ ips }: Seen): readonly Check[] =>
  ips.length > 0
    ? []
    : [
        row(
          'egress',
          'warn',
          'no egress IP is known',
          'set delivery.egressIps, or name them with --ip: SPF, PTR and EHLO cannot be checked',
        ),
      ]

function keyChecks({ keys, domain }: Seen): readonly Check[] {
  const used = keys.filter(({ state }) => state !== 'retired')
  if (!used.some(({ state }) => state === 'active'))
    return [
      row('dkim', 'fail', `nothing signs for ${domain}`, `make a key (bounced dkim add ${domain}) and publish its record`),
      ...used.map(keyCheck),
    ]
  return used.map(keyCheck)
}

function keyCheck({ selector, state, publicKey, record }: KeySeen): Check {
  const name = `selector ${selector}`
  const absent: Level = state === 'active' ? 'fail' : 'warn'
  if (record.kind === 'failed') return unasked('dkim', record.text)
  if (record.kind === 'none')
    return row('dkim', absent, `${name} has no record`, 'publish it, or stop signing with it: every signature of it fails')
  const published = tag(record.value, 'p')
  if (published === '') return row('dkim', absent, `${name} is revoked (empty p=)`, 'use another key')
  if (publicKey !== null && published !== publicKey)
    return row(
      'dkim',
      absent,
      `${name} publishes another key than ours`,
      'publish the record that the key was made with (bounced dkim list)',
    )
  if (/(?:^|:)y(?:$|:)/.test(tag(record.value, 't') ?? ''))
    return row('dkim', 'warn', `${name} is in test mode (t=y)`, 'take t=y out: receivers treat the mail as unsigned')
  return row('dkim', 'ok', `${name} is published${state === 'waiting' ? ', and not in use yet' : ''}`)
}

/** The value of a tag, without white space; null where it is not there. */
function tag(record: string, name: string): string | null {
  const found = record.split(';').find((each) => each.trim().toLowerCase().startsWith(`${name}=`))
  return found === undefined ? null : found.slice(found.indexOf('=') + 1).replaceAll(/\s+/g, '')
}

function dmarcCheck({ domain, dmarc }: Seen): Check {
  if (dmarc.kind === 'failed') return unasked('dmarc', dmarc.text)
  const todo = `publish _dmarc.${domain} TXT "v=DMARC1; p=none; rua=mailto:…": large receivers demand it of bulk senders`
  if (dmarc.kind === 'none') return row('dmarc', 'fail', `${domain} has no DMARC record`, todo)
  const policy = tag(dmarc.value, 'p')?.toLowerCase() ?? ''
  if (!['none', 'quarantine', 'reject'].includes(policy))
    return row('dmarc', 'fail', `the DMARC record has no policy that is known (p=${policy})`, todo)
  if (policy === 'none')
    return row('dmarc', 'warn', 'policy none', 'when the reports (rua=) show only your own mail, move to quarantine, then reject')
  return row('dmarc', 'ok', `policy ${policy}`)
}

const organisation = (name: string): string => getDomain(name, { allowPrivateDomains: true }) ?? name

/** RFC 7489 §3.1: relaxed is the same organisational domain, strict the same name. */
const isAligned = (name: string, domain: string, mode: string | null): boolean =>
  mode === 's' ? name === domain : organisation(name) === organisation(domain)

/** DMARC passes when SPF or DKIM passes for a domain that is aligned with From. */
function alignmentCheck({ domain, returnPathDomain, dmarc, keys, ips }: Seen): Check {
  const record = dmarc.kind === 'found' ? dmarc.value : ''
  const bySpf = isAligned(returnPathDomain, domain, tag(record, 'aspf')) && ips.length > 0 && ips.every(({ spf }) => spf === 'pass')
  const byDkim = keys.some(
    (key) => key.state === 'active' && key.record.kind === 'found' && isAligned(key.domain, domain, tag(record, 'adkim')),
  )
  if (bySpf && byDkim) return row('alignment', 'ok', 'SPF and DKIM both speak for the domain in From')
  if (byDkim) return row('alignment', 'ok', `DKIM speaks for the domain in From; the Return-Path (${returnPathDomain}) does not`)
  if (bySpf)
    return row(
      'alignment',
      'warn',
      'only SPF speaks for the domain in From',
      `sign with a key of ${domain}: SPF breaks wherever mail is forwarded`,
    )
  return row(
    'alignment',
    'fail',
    'neither SPF nor DKIM speaks for the domain in From',
    `sign with a key of ${domain}, or take a Return-Path domain below it`,
  )
}

function ptrCheck({ ip, names, confirmed }: IpSeen): Check {
  if (names.kind === 'failed') return unasked('ptr', names.text)
  if (names.kind === 'none')
    return row('ptr', 'fail', `${ip} has no name`, 'have the owner of the address set its PTR: many receivers refuse without')
  if (confirmed.length === 0)
    return row(
      'ptr',
      'fail',
      `${ip} is called ${names.value.join(', ')}, which does not lead back to it`,
      'give that name an A or AAAA record with this address',
    )
  return row('ptr', 'ok', `${ip} is ${confirmed.join(', ')}, and back`)
}

function ehloCheck({ ehlo }: Seen, { ip, ehlo: leads, confirmed }: IpSeen): Check {
  if (confirmed.includes(ehlo)) return row('ehlo', 'ok', `${ehlo} is the name of ${ip}`)
  if (leads)
    return row(
      'ehlo',
      'warn',
      `${ehlo} leads to ${ip}, whose own name is another`,
      'give the address this PTR, or set delivery.ehlo to its name',
    )
  return row('ehlo', 'fail', `${ehlo} does not lead to ${ip}`, 'set delivery.ehlo to a name that resolves to the egress IP')
}

/** RFC 9477 §3.1.1: the address must lie in the domain of From, or its domain must sign too. */
function cfblCheck({ domain, feedbackDomain }: Seen): Check {
  if (isAligned(feedbackDomain, domain, null)) return row('cfbl', 'ok', `complaints go to fbl@${feedbackDomain}, of the same organisation`)
  return row(
    'cfbl',
    'warn',
    `fbl@${feedbackDomain} is not of ${organisation(domain)}`,
    `take a feedback domain below ${organisation(domain)}, or sign with a key of ${feedbackDomain} too`,
  )
}

function srsCheck({ returnPathDomain }: Seen): Check {
  const { length } = returnPathDomain
  if (length <= LONGEST_RETURN_PATH) return row('srs', 'ok', `the Return-Path domain has ${length} octets`)
  return row(
    'srs',
    'warn',
    `the Return-Path domain has ${length} octets`,
    `take one of ${LONGEST_RETURN_PATH} at most: forwarders that rewrite by SRS may cut our token`,
  )
}

function tlsChecks({ certificate, outgoingTls, now }: Seen): readonly Check[] {
  const { own, validTo, fits } = certificate
  const out =
    outgoingTls === 'off'
      ? row('tls-out', 'warn', 'mail leaves in the clear', 'set delivery.tls to opportunistic')
      : row('tls-out', 'ok', `STARTTLS to receivers: ${outgoingTls}`)
  if (own)
    return [
      row(
        'tls-in',
        'warn',
        'our door has a certificate of our own making',
        'set tls.cert and tls.key: senders with MTA-STS or DANE check it',
      ),
      out,
    ]
  if (validTo !== null && validTo <= now) return [row('tls-in', 'fail', 'the certificate has expired', 'renew it'), out]
  if (validTo !== null && validTo - now < SOON_MS)
    return [row('tls-in', 'warn', `the certificate ends in ${Math.ceil((validTo - now) / DAY_MS)} days`, 'renew it'), out]
  return [
    row(
      'tls-in',
      fits ? 'ok' : 'warn',
      fits ? 'the certificate is good' : 'the certificate is for another name than the MX',
      fits ? null : 'get one with the name of the MX host',
    ),
    out,
  ]
}
