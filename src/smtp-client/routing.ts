/**
 * routing - finds the next hops of a domain: its MX hosts, or one smart host
 *
 * The simulator has a router of its own, to its providers. See also: net/mx, smtp-client/smtp-transport, simulator/smtp/provider-network.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { siteOf } from '../classify/provider.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { type MxResolver, NO_MX_REPLIES, orderHosts } from '../net/mx.ts'
import type { ResolveHost } from '../net/ssrf-guard.ts'
import type { Router, NextHop, TlsPolicy } from './transport.ts'

/** MX hosts listen on port 25 (RFC 5321 §4.5.4.2); tests use other ports. */
const SMTP_PORT = 25

type MxRouterOptions = {
  readonly mx: MxResolver
  /** The TLS policy for a host, see tlsPolicyFor. */
  readonly tlsOf: (host: string, domain: string) => TlsPolicy
  readonly random: () => number
  readonly port?: number
}

/** Routes each domain to its MX hosts. */
export function createMxRouter({ mx, tlsOf, random, port = SMTP_PORT }: MxRouterOptions): Router {
  return async (domain) => {
    const found = await mx.find(domain)
    if (found.kind === 'none') return { kind: 'refused', ...NO_MX_REPLIES[found.why] }
    if (found.kind === 'failed') return found
    const nextHops = orderHosts(found.hosts, random).map(({ name }): NextHop => {
      return { name, address: null, port, tls: tlsOf(name, domain), implicitTls: false, login: null, proxy: false }
    })
    return { kind: 'route', nextHops }
  }
}

/** From the least strict to the strictest. */
const TLS_STRICTNESS = ['off', 'opportunistic', 'required', 'verified'] as const satisfies readonly TlsPolicy[]

/**
 * The TLS policy for a host: the stricter of the setting and `tls` in the rule file of its provider. A setting of `off` stays.
 *
 *     tlsPolicyFor(table, 'opportunistic', 'gmail-smtp-in.l.google.com')   → 'required'
 */
export function tlsPolicyFor(table: RuleTable, setting: TlsPolicy, host: string): TlsPolicy {
  const { provider } = siteOf(table, { mx: host })
  const requested = provider === null ? undefined : table.files.find((file) => file.provider === provider)?.tls
  if (setting === 'off' || requested === undefined) return setting
  return TLS_STRICTNESS.indexOf(requested) > TLS_STRICTNESS.indexOf(setting) ? requested : setting
}

export type Smarthost = {
  readonly host: string
  readonly port: number
  readonly login: { readonly user: string; readonly pass: string } | null
  readonly tls: TlsPolicy
  /** TLS from the first byte, as on port 465 (RFC 8314). */
  readonly implicitTls: boolean
}

/** Routes every domain to one host of the operator, which may be in the private network or in the system's hosts file. */
export function createSmarthostRouter({ host, ...rest }: Smarthost, resolve: ResolveHost = (name) => lookup(name, { all: true })): Router {
  return async () => {
    try {
      const found = isIP(host) === 0 ? await resolve(host) : [{ address: host, family: isIP(host) }]
      return { kind: 'route', nextHops: found.map(({ address }): NextHop => ({ name: host, address, ...rest, proxy: false })) }
    } catch (error) {
      return { kind: 'failed', text: `the smart host ${host}: ${error instanceof Error ? error.message : 'unknown'}` }
    }
  }
}
