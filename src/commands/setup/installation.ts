/**
 * installation - the names and addresses of one installation, checked before anything is printed for them
 *
 * Each name is a record in DNS, so names that cannot stand beside each other are refused: a CNAME beside other records, an MX that would take the mail
 * of a sender's own domain.
 *
 * Pure. RFC 1034 §3.6.2 (CNAME), RFC 5321 §2.3.5 (names). See also: commands/setup/setup, commands/setup/zone.
 */
import { isIP } from 'node:net'
import { toALabels } from '../../mail/mime/idna.ts'
import { isPublicAddress } from '../../net/ssrf-guard.ts'

/** How the mail for port 25 reaches the daemon, which runs without the rights of root. */
export const PORT_25_WAYS = ['socket', 'nftables', 'capability'] as const

export type Port25Way = (typeof PORT_25_WAYS)[number]

/** A TXT record. */
type TextRecord = { readonly name: string; readonly text: string }

export type SenderDomain = { readonly domain: string; readonly dkim: readonly TextRecord[] }

export type InstallationNames = {
  readonly returnPathDomain: string
  readonly feedbackDomain: string
  readonly publicUrl: string
  /** The host of the MX records. */
  readonly host: string
  /** Addresses of the host. */
  readonly ips: readonly string[]
  /** Addresses that send mail with our Return-Path; empty: the host. */
  readonly egressIps: readonly string[]
  /** Domains in From. */
  readonly senders: readonly SenderDomain[]
  /** The host of links in mails; null: that of publicUrl. */
  readonly trackingDomain: string | null
}

/** What the units and the settings need besides the names. */
export type Installation = InstallationNames & {
  readonly port25: Port25Way
  readonly settingsFile: string
  readonly dataFolder: string
  /** The folder of the program, and the file that starts it. */
  readonly programFolder: string
  readonly entryFile: string
  /** The Node that runs it. */
  readonly nodeFile: string
}

/** A domain as it stands in DNS: lower case, A-labels, no dot at the end. Total. */
export const normaliseName = (text: string): string => toALabels(text.trim().toLowerCase().replace(/\.$/, ''))

/** Reserved for one machine or one local network (RFC 6761, RFC 6762, RFC 9476). */
const LOCAL_NAME = /(?:^|\.)(?:localhost|local|internal|test|invalid|alt)$/

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/

/** Says why a name cannot be used in DNS by other mail servers; null: it can. */
function nameProblemOf(option: string, name: string): string | null {
  if (name === '') return `${option} is missing`
  if (isIP(name) !== 0) return `${option}: ${name} is an address; a name is needed, such as b.example.com`
  const labels = name.split('.')
  const wrong = labels.find((label) => !LABEL.test(label))
  if (wrong !== undefined)
    return `${option}: ${name} is not a domain: "${wrong}" must have 1 to 63 letters, digits or hyphens, and no hyphen at either end`
  if (name.length > 253) return `${option}: ${name} has more than 253 characters`
  if (LOCAL_NAME.test(name)) return `${option}: other mail servers cannot find ${name}; choose a name below a domain of yours`
  return labels.length < 2 ? `${option}: ${name} has no dot; choose a name below a domain of yours, such as b.example.com` : null
}

function urlProblemOf(text: string): string | null {
  if (text === '') return '--public-url is missing'
  if (!URL.canParse(text)) return `--public-url: ${text} is not a URL; write it like https://bounced.example.com`
  const { protocol, hostname } = new URL(text)
  if (protocol !== 'https:')
    return `--public-url: ${text} must begin with https://: mail programs offer one-click unsubscribe with https only`
  return nameProblemOf('--public-url', hostname)
}

function addressProblemOf(option: string, address: string): string | null {
  if (isIP(address) === 0) return `${option}: ${address} is not an IP address`
  return isPublicAddress(address) || DOCUMENTATION.test(address)
    ? null
    : `${option}: ${address} cannot be reached from the Internet; give the public one`
}

/** RFC 5737, RFC 3849: for examples, so that documentation can be tried. */
const DOCUMENTATION = /^(?:192\.0\.2|198\.51\.100|203\.0\.113)\.|^2001:db8:/

/** The names with the option that sets each, in the order of the options. */
const namesOf = (names: InstallationNames): readonly (readonly [option: string, name: string])[] => [
  ['--return-path', names.returnPathDomain],
  ['--feedback', names.feedbackDomain],
  // Without one, the URL is missing, and its problem is told.
  ...(names.host === '' ? [] : [['--host', names.host] as const]),
  ...names.senders.map(({ domain }) => ['--sender', domain] as const),
  ...(names.trackingDomain === null ? [] : [['--tracking', names.trackingDomain] as const]),
]

/** Says everything that is wrong with the names, one sentence each. Empty: they can be used. */
export function problemsOf(names: InstallationNames): readonly string[] {
  const single = [
    ...namesOf(names).map(([option, name]) => nameProblemOf(option, name)),
    urlProblemOf(names.publicUrl),
    ...names.ips.map((address) => addressProblemOf('--ip', address)),
    ...names.egressIps.map((address) => addressProblemOf('--egress-ip', address)),
  ].filter((problem) => problem !== null)
  return single.length > 0 ? single : conflictsOf(names)
}

function conflictsOf(names: InstallationNames): readonly string[] {
  const { returnPathDomain, feedbackDomain, host, senders, trackingDomain } = names
  const webHost = new URL(names.publicUrl).hostname
  const taken = senders.flatMap(({ domain }) =>
    [returnPathDomain, feedbackDomain]
      .filter((name) => name === domain)
      .map(
        (name) => `${name} is a sender domain: its MX record would lead all of its mail to bounced; choose a subdomain, such as b.${name}`,
      ),
  )
  const same =
    returnPathDomain === feedbackDomain ? ['--return-path and --feedback are the same: feedback loops are registered by domain'] : []
  const others = [returnPathDomain, feedbackDomain, host, webHost, ...senders.map(({ domain }) => domain)]
  const alias =
    trackingDomain !== null && others.includes(trackingDomain)
      ? [`--tracking: ${trackingDomain} has other records, and a CNAME stands alone; choose a name of its own, such as click.example.com`]
      : []
  return [...taken, ...same, ...alias]
}
