/**
 * domain-checks - checks that a sender's domain is set up for delivery, and that reports come back to us
 *
 * Each check is a row: the result, what was seen, and what to do. `fail` means that receivers refuse mail or that reports are lost; `warn`
 * means that it costs reputation or could not be checked from here.
 *
 * Pure. RFC 7208, 6376, 7489, 9477; the bulk sender requirements of Gmail and Yahoo. See also:
 * commands/doctor.
 */
import { getDomain } from 'tldts'
import type { DomainObservation, ObservedDkimKey, ObservedEgressIp } from './domain-observation.ts'

export type CheckLevel = 'ok' | 'warn' | 'fail'
export type DomainCheck = { readonly id: string; readonly level: CheckLevel; readonly seen: string; readonly todo: string | null }

/** RFC 5321 §4.5.3.1.1: the 64 octets of a local part must hold the SRS0 prefix, our domain and a token. */
const MAX_RETURN_PATH_DOMAIN_OCTETS = 20
const DAY_MS = 86_400_000
const EXPIRY_WARNING_MS = 14 * DAY_MS

/** All checks, in the order in which they are shown. */
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

const createCheck = (id: string, level: CheckLevel, seen: string, todo: string | null = null): DomainCheck => ({
  id,
  level,
  seen,
  todo,
})
const createUnansweredCheck = (id: string, text: string): DomainCheck =>
  createCheck(id, 'warn', `DNS gave no answer (${text})`, 'try again; if it persists, repair the name servers')

function mxCheck({ domain, mx }: DomainObservation): DomainCheck {
  if (mx.kind === 'failed') return createUnansweredCheck('mx', mx.text)
  if (mx.kind === 'found') return createCheck('mx', 'ok', `${domain} receives mail at ${mx.value.join(', ')}`)
  return createCheck('mx', 'fail', `${domain} has no MX`, `publish an MX: receivers refuse senders that cannot receive mail`)
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
      return createCheck(id, 'fail', `${domain} has no MX`, `publish an MX that names this daemon: without it, ${lost} are lost`)
    const mxNames = mx.value.join(', ')
    if (hosts.some((host) => observed.ourHosts.includes(host))) return createCheck(id, 'ok', `${domain} leads to this daemon (${mxNames})`)
    return createCheck(
      id,
      'warn',
      `${domain} leads to ${mxNames}, which is not a known address of this daemon`,
      `make port 25 of that host lead to this daemon, or name its address with --ip`,
    )
  })
}

const SPF_LEVELS: Readonly<Record<string, CheckLevel>> = { pass: 'ok', softfail: 'warn', neutral: 'warn', temperror: 'warn' }

function spfCheck({ returnPathDomain }: DomainObservation, { ip, spfResult }: ObservedEgressIp): DomainCheck {
  const level = SPF_LEVELS[spfResult] ?? 'fail'
  const family = ip.includes(':') ? 'ip6' : 'ip4'
  const todo = level === 'ok' ? null : `add ${family}:${ip} to the SPF record of ${returnPathDomain} (v=spf1 ${family}:${ip} -all)`
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
          'set delivery.egressIps, or name them with --ip: without them, SPF, PTR and EHLO cannot be checked',
        ),
      ]

function keyChecks({ keys, domain }: DomainObservation): readonly DomainCheck[] {
  const used = keys.filter(({ state }) => state !== 'retired')
  if (!used.some(({ state }) => state === 'active'))
    return [
      createCheck('dkim', 'fail', `no key signs for ${domain}`, `create a key (bounced dkim add ${domain}) and publish its record`),
      ...used.map(keyCheck),
    ]
  return used.map(keyCheck)
}

function keyCheck({ selector, state, publicKey, record }: ObservedDkimKey): DomainCheck {
  const name = `selector ${selector}`
  const absent: CheckLevel = state === 'active' ? 'fail' : 'warn'
  if (record.kind === 'failed') return createUnansweredCheck('dkim', record.text)
  if (record.kind === 'none')
    return createCheck('dkim', absent, `${name} has no record`, 'publish it, or stop signing with the key: all its signatures fail')
  const published = tagValueOf(record.value, 'p')
  if (published === '') return createCheck('dkim', absent, `${name} is revoked (empty p=)`, 'use another key')
  if (publicKey !== null && published !== publicKey)
    return createCheck('dkim', absent, `${name} publishes a different key`, 'publish the record of our key (bounced dkim list)')
  if (/(?:^|:)y(?:$|:)/.test(tagValueOf(record.value, 't') ?? ''))
    return createCheck('dkim', 'warn', `${name} is in test mode (t=y)`, 'remove t=y: receivers treat the mail as unsigned')
  return createCheck('dkim', 'ok', `${name} is published${state === 'waiting' ? ' but not in use yet' : ''}`)
}

/** The value of a tag without white space; null if the tag is absent. */
function tagValueOf(record: string, name: string): string | null {
  const found = record.split(';').find((each) => each.trim().toLowerCase().startsWith(`${name}=`))
  return found === undefined ? null : found.slice(found.indexOf('=') + 1).replaceAll(/\s+/g, '')
}

function dmarcCheck({ domain, dmarc }: DomainObservation): DomainCheck {
  if (dmarc.kind === 'failed') return createUnansweredCheck('dmarc', dmarc.text)
  const todo = `publish _dmarc.${domain} TXT "v=DMARC1; p=none; rua=mailto:…": large receivers require it of bulk senders`
  if (dmarc.kind === 'none') return createCheck('dmarc', 'fail', `${domain} has no DMARC record`, todo)
  const policy = tagValueOf(dmarc.value, 'p')?.toLowerCase() ?? ''
  if (!['none', 'quarantine', 'reject'].includes(policy))
    return createCheck('dmarc', 'fail', `the DMARC record has an unknown policy (p=${policy})`, todo)
  if (policy === 'none')
    return createCheck(
      'dmarc',
      'warn',
      'policy none',
      'if the reports (rua=) show only your own mail, change to quarantine, then to reject',
    )
  return createCheck('dmarc', 'ok', `policy ${policy}`)
}

const organisationalDomainOf = (name: string): string => getDomain(name, { allowPrivateDomains: true }) ?? name

/** RFC 7489 §3.1: relaxed alignment compares organisational domains, strict alignment names. */
const isAligned = (name: string, domain: string, mode: string | null): boolean =>
  mode === 's' ? name === domain : organisationalDomainOf(name) === organisationalDomainOf(domain)

/** DMARC passes if SPF or DKIM passes for a domain that is aligned with From. */
function alignmentCheck({ domain, returnPathDomain, dmarc, keys, ips }: DomainObservation): DomainCheck {
  const record = dmarc.kind === 'found' ? dmarc.value : ''
  const bySpf =
    isAligned(returnPathDomain, domain, tagValueOf(record, 'aspf')) && ips.length > 0 && ips.every(({ spfResult }) => spfResult === 'pass')
  const byDkim = keys.some(
    (key) => key.state === 'active' && key.record.kind === 'found' && isAligned(key.domain, domain, tagValueOf(record, 'adkim')),
  )
  if (bySpf && byDkim) return createCheck('alignment', 'ok', 'SPF and DKIM are both aligned with From')
  if (byDkim) return createCheck('alignment', 'ok', `DKIM is aligned with From; SPF is not (Return-Path ${returnPathDomain})`)
  if (bySpf)
    return createCheck(
      'alignment',
      'warn',
      'only SPF is aligned with From',
      `sign with a key of ${domain}: SPF fails when mail is forwarded`,
    )
  return createCheck(
    'alignment',
    'fail',
    'neither SPF nor DKIM is aligned with From',
    `sign with a key of ${domain}, or use a Return-Path domain below it`,
  )
}

function ptrCheck({ ip, reverseNames, confirmedNames }: ObservedEgressIp): DomainCheck {
  if (reverseNames.kind === 'failed') return createUnansweredCheck('ptr', reverseNames.text)
  if (reverseNames.kind === 'none')
    return createCheck(
      'ptr',
      'fail',
      `${ip} has no PTR`,
      'ask the owner of the address to set its PTR: many receivers refuse mail without one',
    )
  if (confirmedNames.length === 0)
    return createCheck(
      'ptr',
      'fail',
      `the PTR of ${ip} is ${reverseNames.value.join(', ')}, which does not resolve to it`,
      'add an A or AAAA record with this address to that name',
    )
  return createCheck('ptr', 'ok', `${ip} and ${confirmedNames.join(', ')} resolve to each other`)
}

function ehloCheck({ ehlo }: DomainObservation, { ip, resolvesEhlo, confirmedNames }: ObservedEgressIp): DomainCheck {
  if (confirmedNames.includes(ehlo)) return createCheck('ehlo', 'ok', `${ehlo} is the PTR of ${ip}`)
  if (resolvesEhlo)
    return createCheck(
      'ehlo',
      'warn',
      `${ehlo} resolves to ${ip}, whose PTR is another name`,
      'set the PTR of the address to this name, or delivery.ehlo to the name in the PTR',
    )
  return createCheck('ehlo', 'fail', `${ehlo} does not resolve to ${ip}`, 'set delivery.ehlo to a name that resolves to the egress IP')
}

/** RFC 9477 §3.1.1: the address must be in the domain of From, or its domain must sign as well. */
function cfblCheck({ domain, feedbackDomain }: DomainObservation): DomainCheck {
  if (isAligned(feedbackDomain, domain, null))
    return createCheck('cfbl', 'ok', `complaints go to fbl@${feedbackDomain}, in the same organisational domain`)
  return createCheck(
    'cfbl',
    'warn',
    `fbl@${feedbackDomain} is not under ${organisationalDomainOf(domain)}`,
    `use a feedback domain below ${organisationalDomainOf(domain)}, or sign with a key of ${feedbackDomain} too`,
  )
}

function srsCheck({ returnPathDomain }: DomainObservation): DomainCheck {
  const { length } = returnPathDomain
  if (length <= MAX_RETURN_PATH_DOMAIN_OCTETS) return createCheck('srs', 'ok', `the Return-Path domain has ${length} octets`)
  return createCheck(
    'srs',
    'warn',
    `the Return-Path domain has ${length} octets`,
    `use a domain of at most ${MAX_RETURN_PATH_DOMAIN_OCTETS} octets: forwarders that use SRS may truncate the token`,
  )
}

function tlsChecks({ certificate, outgoingTls, now }: DomainObservation): readonly DomainCheck[] {
  const { isSelfSigned, validTo, matchesMx } = certificate
  const out =
    outgoingTls === 'off'
      ? createCheck('tls-out', 'warn', 'mail is sent in clear text', 'set delivery.tls to opportunistic')
      : createCheck('tls-out', 'ok', `STARTTLS to receivers: ${outgoingTls}`)
  if (isSelfSigned)
    return [
      createCheck(
        'tls-in',
        'warn',
        'the SMTP listener has a self-signed certificate',
        'set tls.cert and tls.key: senders that use MTA-STS or DANE check it',
      ),
      out,
    ]
  if (validTo !== null && validTo <= now) return [createCheck('tls-in', 'fail', 'the certificate has expired', 'renew it'), out]
  if (validTo !== null && validTo - now < EXPIRY_WARNING_MS)
    return [createCheck('tls-in', 'warn', `the certificate expires in ${Math.ceil((validTo - now) / DAY_MS)} days`, 'renew it'), out]
  return [
    createCheck(
      'tls-in',
      matchesMx ? 'ok' : 'warn',
      matchesMx ? 'the certificate is valid' : 'the certificate is for another name than the MX',
      matchesMx ? null : 'use a certificate with the name of the MX host',
    ),
    out,
  ]
}
