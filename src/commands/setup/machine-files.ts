/**
 * machine-files - the other files of an installation: the settings, the redirect of port 25, and the command on PATH
 *
 * Pure. RFC 5321 §4.5.4.2 (port 25), nft(8). See also: commands/setup/systemd-units, settings/load (reads the settings).
 */
import type { Installation, InstallationNames } from './installation.ts'

/** Without addresses, all of IPv4; with an IPv6 address, all of both. */
const bindAddressOf = ({ ips }: InstallationNames): string => (ips.some((ip) => ip.includes(':')) ? '::' : '0.0.0.0')

/** How the mail of port 25 arrives decides where the daemon listens. */
function listenerLinesOf(installation: Installation): readonly string[] {
  const { port25 } = installation
  if (port25 === 'socket') return ['# bounced.socket passes port 25; host and smtp.port are not used for it.']
  return ['# The SMTP listener on every address of the machine.', `host = "${bindAddressOf(installation)}"`]
}

/** A string of TOML. Names and paths have no control characters. */
const toml = (text: string): string => JSON.stringify(text)

/** Returns the lines of `bounced.toml`. */
export function settingsLinesOf(installation: Installation): readonly string[] {
  const { settingsFile, dataFolder, returnPathDomain, feedbackDomain, publicUrl, host, port25, egressIps, trackingDomain } = installation
  return [
    `# ${settingsFile}: bounced config --reasons prints every setting and the reason for its default.`,
    ...listenerLinesOf(installation),
    `data = ${toml(dataFolder)}`,
    `returnPathDomain = ${toml(returnPathDomain)}`,
    `feedbackDomain = ${toml(feedbackDomain)}`,
    `publicUrl = ${toml(publicUrl)}`,
    '',
    '[smtp]',
    ...(port25 === 'capability' ? ['port = 25'] : []),
    '# The name in the greeting, as in the MX records.',
    `name = ${toml(host)}`,
    '# Load balancers in front of port 25 that send a PROXY header:',
    '#proxyPeers = ["192.0.2.10"]',
    '',
    '[http]',
    '# A TLS proxy on this machine passes requests to 127.0.0.1:8080, and replaces X-Forwarded-For and X-Forwarded-Host.',
    'host = "127.0.0.1"',
    'trustProxy = true',
    '',
    '# The certificate of STARTTLS; without one it is self-signed, which most senders accept. systemctl reload bounced reads changed files.',
    '#[tls]',
    '#cert = "/etc/bounced/tls/fullchain.pem"',
    '#key = "/etc/bounced/tls/privkey.pem"',
    ...(trackingDomain === null ? [] : ['', '[tracking]', `domain = ${toml(trackingDomain)}`]),
    ...(egressIps.length === 0
      ? []
      : ['', '# Used if the delivery queue sends mail (delivery.mode).', '[delivery]', `egressIps = ${JSON.stringify(egressIps)}`]),
  ]
}

/** Returns the lines of an nftables file that redirects port 25 to the port of the daemon. Loading it again replaces the table. */
export function nftablesLines(): readonly string[] {
  return [
    '#!/usr/sbin/nft -f',
    '# /etc/nftables.d/bounced.nft: port 25 of this machine to port 2525. Load it with nft -f, and from /etc/nftables.conf at each boot:',
    '# include "/etc/nftables.d/*.nft"',
    'table inet bounced',
    'delete table inet bounced',
    'table inet bounced {',
    '  chain prerouting {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    '    # Mail that only passes through this machine, such as that of its containers, is left alone.',
    '    fib daddr type local tcp dport 25 redirect to :2525',
    '  }',
    '}',
  ]
}

/** Returns the lines of a script that runs a command with the settings of the daemon. */
export function commandLinesOf({ settingsFile, entryFile, nodeFile }: Installation): readonly string[] {
  return [
    '#!/bin/sh',
    '# /usr/local/bin/bounced: run it as the user of the daemon, for example: sudo -u bounced bounced inbox list',
    `BOUNCED_CONFIG="\${BOUNCED_CONFIG:-${settingsFile}}"`,
    'export BOUNCED_CONFIG',
    `exec '${nodeFile}' '${entryFile}' "$@"`,
  ]
}
