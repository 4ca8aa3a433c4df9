/**
 * routing - the ways that mail can go: by MX, or by one smart host
 *
 * The third, to the laboratory's own providers, is lab's. See also: net/mx, smtp-client/smtp-transport, simulator/smtp/provider-network.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { siteOf } from '../classify/provider.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { type MxResolver, NO_MX_REPLIES, orderHosts } from '../net/mx.ts'
import type { ResolveHost } from '../net/ssrf-guard.ts'
import type { Router, NextHop, TlsPolicy } from './transport.ts'

/** Port 25 is where MX hosts listen (RFC 5321 §4.5.4.2); tests have others. */
const SMTP_PORT = 25

export type MxRouterOptions = {
  readonly mx: MxResolver
  /** What the provider's table asks for; else what the setting says. */
  readonly tlsOf: (host: string, domain: string) => TlsPolicy
  readonly random: () => number
  readonly port?: number
}

/** To the MX hosts of each domain. */
export function createMxRouter({ mx, tlsOf, random, port = SMTP_PORT }: MxRouterOptions): Router {
  return async (domain) => {
    const found = await mx.find(domain)
    if (found.kind === 'none') return { kind: 'refused', ...NO_MX_REPLIES[found.why] }
    if (found.kind === 'failed') return found
    const nextHops = orderHosts(found.hosts, random).map(({ name }): NextHop => {
      return { name, address: null, port, tls: tlsOf(name, domain), implicitTls: false, login: null, proxy: false }
    })
    return { kind: 'stops', stops: nextHops }
  }
}

/** In the order of how much they ask. */
const TLS_STRICTNESS = ['off', 'opportunistic', 'required', 'verified'] as const satisfies readonly TlsPolicy[]

/**
 * What a host is asked for: the stricter of the setting and its provider's table (`tls` of its rule file). A setting of `off` stays.
 *
 *     tlsAt(table, 'opportunistic', 'gmail-smtp-in.l.google.com')   → 'required'
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
  /** TLS from the first byte: port 465. */
  readonly implicitTls: boolean
}

/** Everything to one host of the operator's own: it may stand in the inner network, and in the system's own tables. */
export function createSmarthostRouter({ host, ...rest }: Smarthost, resolve: ResolveHost = (name) => lookup(name, { all: true })): Router {
  return async () => {
    try {
      const found = isIP(host) === 0 ? await resolve(host) : [{ address: host, family: isIP(host) }]
      return { kind: 'stops', stops: found.map(({ address }): NextHop => ({ name: host, address, ...rest, proxy: false })) }
    } catch (error) {
      return { kind: 'failed', text: `the smart host ${host}: ${error instanceof Error ? error.message : 'unknown'}` }
    }
  }
}
