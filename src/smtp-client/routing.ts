/**
 * routing - finds the next hops of a domain: its MX hosts, or one smart host
 *
 * The simulator has a router of its own, to its providers. See also: net/mx, smtp-client/smtp-transport, simulator/smtp/provider-network.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type MxResolver, NO_MX_REPLIES, orderHosts } from '../net/mx.ts'
import type { ResolveHost } from '../net/ssrf-guard.ts'
import type { TlsPolicy } from '../queue/shaping/tls-policy.ts'
import type { Router, NextHop } from './transport.ts'

/** MX hosts listen on port 25 (RFC 5321 §4.5.4.2); tests use other ports. */
const SMTP_PORT = 25

type MxRouterOptions = {
  readonly mx: MxResolver
  /** The TLS policy for one of the MX hosts of a domain, see queue/shaping/tls-policy; null: the domain's own policy forbids the host. */
  readonly tlsOf: (host: string, of: { readonly domain: string; readonly hosts: readonly string[] }) => Promise<TlsPolicy | null>
  readonly random: () => number
  readonly port?: number
}

/** Routes each domain to its MX hosts. */
export function createMxRouter({ mx, tlsOf, random, port = SMTP_PORT }: MxRouterOptions): Router {
  return async (domain) => {
    const found = await mx.find(domain)
    if (found.kind === 'none') return { kind: 'refused', ...NO_MX_REPLIES[found.why] }
    if (found.kind === 'failed') return found
    const hosts = found.set.split(',')
    const nextHops = await Promise.all(
      orderHosts(found.hosts, random).map(async ({ name }): Promise<NextHop[]> => {
        const tls = await tlsOf(name, { domain, hosts })
        return tls === null ? [] : [{ name, address: null, port, tls, implicitTls: false, login: null, proxy: false }]
      }),
    )
    const allowed = nextHops.flat()
    return allowed.length === 0
      ? { kind: 'failed', text: `MTA-STS: the policy of ${domain} names none of its MX hosts` }
      : { kind: 'route', nextHops: allowed }
  }
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
