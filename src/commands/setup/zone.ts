/**
 * zone - the DNS records of an installation as zone files, each with the reason for it
 *
 * One section for each registered domain, because that is what a zone usually is. The records can be pasted behind the SOA and NS records of the zone, or
 * typed into the form of a DNS provider. Names are complete, so that nothing depends on $ORIGIN.
 *
 * Pure. RFC 1035 §5 (master files), RFC 7208 (SPF), RFC 6376 §3.6 (DKIM), RFC 7489 (DMARC). See also: compose/domain-checks (checks what is
 * published), commands/setup/installation.
 */
import { getDomain } from 'tldts'
import type { InstallationNames, SenderDomain } from './installation.ts'

/** `data` null: a note without a record. */
type ZoneRecord = { readonly name: string; readonly type: string; readonly data: string | null; readonly why: string }

const TTL = 3_600

/** RFC 5737, RFC 3849: addresses of documentation, which lead nowhere. */
const PLACEHOLDER_IPS = ['192.0.2.1', '2001:db8::1'] as const

/** A TXT record holds strings of 255 octets at most (RFC 1035 §3.3.14). */
const MAX_TEXT = 255

/**
 * Returns the lines of the zone files.
 *
 *     b.example.com.  3600  IN  MX  10 bounced.example.com.
 */
export function zoneLinesOf(names: InstallationNames): readonly string[] {
  const records = recordsOf(names)
  const zones = [...new Set(records.map(({ name }) => zoneOf(name)))]
  return zones.flatMap((zone, index) => [
    ...(index === 0 ? [] : ['']),
    `; ==== zone ${zone} ====`,
    ...records.filter(({ name }) => zoneOf(name) === zone).flatMap(linesOf),
  ])
}

const zoneOf = (name: string): string => getDomain(name.replace(/^_dmarc\./, ''), { allowPrivateDomains: true }) ?? name

function linesOf({ name, type, data, why }: ZoneRecord): readonly string[] {
  return data === null ? [`; ${why}`] : [`; ${why}`, `${name}.  ${TTL}  IN  ${type}  ${data}`]
}

/** The text as one or more quoted strings. */
function quote(text: string): string {
  const parts = text.match(new RegExp(`.{1,${MAX_TEXT}}`, 'g')) ?? ['']
  const quoted = parts.map((part) => `"${part.replaceAll(/["\\]/g, String.raw`\$&`)}"`)
  return quoted.length === 1 ? quoted.join('') : `( ${quoted.join(' ')} )`
}

const textRecord = (name: string, text: string, why: string): ZoneRecord => ({ name, type: 'TXT', data: quote(text), why })

function recordsOf(names: InstallationNames): readonly ZoneRecord[] {
  const { returnPathDomain, feedbackDomain, host } = names
  const mx = (name: string, what: string): ZoneRecord => ({ name, type: 'MX', data: `10 ${host}.`, why: `${what} come here` })
  return [
    ...addressRecords(names),
    mx(returnPathDomain, 'Bounces of mail with our Return-Path'),
    textRecord(
      returnPathDomain,
      spfOf(names),
      'SPF is checked for the domain of the Return-Path: the addresses that send such mail. Add those of your other MTAs',
    ),
    mx(feedbackDomain, 'Complaints of feedback loops, and unsubscribe mails,'),
    textRecord(feedbackDomain, 'v=spf1 -all', 'No mail has this domain in its envelope sender'),
    textRecord(host, 'v=spf1 a -all', 'SPF is checked for the EHLO name where the envelope sender is empty (RFC 7208 §2.4)'),
    ...webRecords(names),
    ...names.senders.flatMap((sender) => senderRecords(sender)),
  ]
}

function addressRecords({ host, ips }: InstallationNames): readonly ZoneRecord[] {
  const used = ips.length > 0 ? ips : PLACEHOLDER_IPS
  const why =
    ips.length > 0
      ? 'The machine that bounced runs on'
      : 'REPLACE the address by that of the machine that bounced runs on (--ip), or remove the line'
  return [
    ...used.map((ip) => ({ name: host, type: ip.includes(':') ? 'AAAA' : 'A', data: ip, why })),
    {
      name: host,
      type: 'PTR',
      data: null,
      why: `Not in this zone: whoever gave you the address sets its PTR record to ${host}; receivers check it where the machine sends mail`,
    },
  ]
}

/** Without addresses, those of the MX host. */
function spfOf({ egressIps }: InstallationNames): string {
  const sources = egressIps.map((ip) => `${ip.includes(':') ? 'ip6' : 'ip4'}:${ip}`)
  return `v=spf1 ${sources.length > 0 ? sources.join(' ') : 'mx'} -all`
}

/** The host of the console, the API and the links in mails. */
function webRecords({ publicUrl, host, trackingDomain }: InstallationNames): readonly ZoneRecord[] {
  const webHost = new URL(publicUrl).hostname
  const why = `The API, the console and the links in mails, at your TLS proxy. REPLACE ${host} if the proxy is another machine`
  return [
    ...(webHost === host ? [] : [{ name: webHost, type: 'CNAME', data: `${host}.`, why }]),
    ...(trackingDomain === null
      ? []
      : [
          {
            name: trackingDomain,
            type: 'CNAME',
            data: `${webHost}.`,
            why: 'Links in mails (tracking.domain); the proxy needs a certificate for this name too',
          },
        ]),
  ]
}

function senderRecords({ domain, dkim }: SenderDomain): readonly ZoneRecord[] {
  const none = `No DKIM key of ${domain} is in the store yet: bounced dkim add ${domain} makes one and prints its record`
  return [
    ...dkim.map(({ name, text }) => textRecord(name, text, `DKIM: the public key that verifies the signatures of ${domain}`)),
    ...(dkim.length > 0 ? [] : [{ name: domain, type: 'TXT', data: null, why: none }]),
    textRecord(
      `_dmarc.${domain}`,
      `v=DMARC1; p=none; rua=mailto:postmaster@${domain}`,
      'DMARC: large receivers require it of bulk senders. Keep the record that the domain has already; when the reports show only your mail, use p=quarantine, then p=reject',
    ),
  ]
}
