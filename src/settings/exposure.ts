/**
 * exposure - what the settings open to other machines: what stops the start, and what is only warned of
 *
 * An installation that is reachable from outside must not send credentials in the clear by accident, or announce names that nobody can reach.
 * Each message has the lines to set.
 *
 * Pure. See also: settings/load (adds the warnings), daemon/app (refuses to start), docs/SECURITY.md.
 */
import { isLoopback } from '../net/peer-network.ts'
import type { Settings } from './schema.ts'

/** Returns the reasons for which the daemon must not start, one line each. */
export function exposureProblemsOf({ host, http, returnPathDomain, feedbackDomain }: Settings): string[] {
  const problems: string[] = []
  if (!isLoopback(http.host) && !http.trustProxy && !http.plain)
    problems.push(
      `http.host is ${http.host}: other machines would send their keys over plain HTTP. Set BOUNCED_HTTP_HOST=127.0.0.1 and put a TLS proxy on this ` +
        'machine in front; or set BOUNCED_HTTP_TRUST_PROXY=true if only your TLS proxy can reach that address; or set BOUNCED_HTTP_PLAIN=true to accept plain HTTP',
    )
  if (isLoopback(host)) return problems
  for (const [domain, variable] of [
    [returnPathDomain, 'BOUNCED_RETURN_PATH_DOMAIN=b.example.com'],
    [feedbackDomain, 'BOUNCED_FEEDBACK_DOMAIN=fbl.example.com'],
  ] as const)
    if (isReservedName(domain))
      problems.push(
        `host is ${host}, but no other machine can send mail to ${domain}: set ${variable} to a domain of yours, or BOUNCED_HOST=127.0.0.1`,
      )
  return problems
}

/** RFC 6761 §6.3: the name of the machine itself, whoever asks. */
const isReservedName = (domain: string): boolean => domain === 'localhost' || domain.endsWith('.localhost')

/** Returns what is probably a mistake, one line each. */
export function exposureWarningsOf(settings: Settings): string[] {
  const { adminHost } = settings.http
  const warnings = publicUrlWarningsOf(settings)
  if (isLoopback(adminHost)) return warnings
  return [
    ...warnings,
    `http.adminHost is ${adminHost}: whoever reaches it reads the metrics without a key. Let only your monitoring reach it`,
  ]
}

function publicUrlWarningsOf({ host, http, publicUrl, delivery }: Settings): string[] {
  const isReachable = !isLoopback(host) || !isLoopback(http.host) || delivery.mode === 'mx' || delivery.mode === 'smarthost'
  if (!isReachable) return []
  if (publicUrl === undefined)
    return [
      `publicUrl is not set: links in mails, also List-Unsubscribe, name ${localUrlOf(http.host, http.port)}. Set BOUNCED_PUBLIC_URL=https://…`,
    ]
  const { protocol, hostname } = new URL(publicUrl)
  if (protocol === 'https:' || isLoopback(hostname)) return []
  return [
    `publicUrl is ${publicUrl}: mail programs offer one-click unsubscribe with https only (RFC 8058). Set BOUNCED_PUBLIC_URL=https://…`,
  ]
}

/**
 * Returns the URL of the HTTP listener for programs on this machine. 0.0.0.0 and :: are no address of a server.
 *
 *     localUrlOf('0.0.0.0', 8080) → 'http://127.0.0.1:8080'
 */
export function localUrlOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}
