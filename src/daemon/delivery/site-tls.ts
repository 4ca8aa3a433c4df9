/**
 * site-tls - the TLS policy for each MX host, from the settings, the rule files, the shaping of its site, and the MTA-STS policy of the recipient's domain
 *
 * `tls = "mta-sts"` in a shaping asks the domain: a policy in mode `enforce` allows only the hosts that it names, with a valid certificate; in mode `testing`, or without
 * a policy, TLS is opportunistic or what the setting says. RFC 8461 §5. See also: smtp-client/routing, net/mta-sts, queue/shaping/shaping-file.
 */
import { siteOfMxHost } from '../../classify/mx-site.ts'
import type { MtaStsPolicies } from '../../net/mta-sts.ts'
import type { Context } from '../../service/context.ts'
import { tlsPolicyFor, type TlsPolicy } from '../../queue/shaping/tls-policy.ts'

type SiteTls = (host: string, of: { readonly domain: string; readonly hosts: readonly string[] }) => Promise<TlsPolicy | null>

/** Creates the look-up. Null: the domain's policy forbids the host. */
export function createSiteTls({ rules, shaping }: Context, setting: TlsPolicy, policies: MtaStsPolicies): SiteTls {
  return async (host, { domain, hosts }) => {
    const table = rules()
    const { site } = siteOfMxHost(table, { host, hosts, domain })
    const found = shaping?.().siteShaping(site, null)
    const tls = found?.options.tls
    if (tls === undefined) return tlsPolicyFor(table, { setting, host, shaped: null })
    const isOperators = found?.origins.tls?.isOperators ?? false
    if (tls !== 'mta-sts') return tlsPolicyFor(table, { setting, host, shaped: { tls, isOperators } })
    const verdict = await policies.check(domain, host)
    if (verdict === 'forbidden') return null
    return tlsPolicyFor(table, { setting, host, shaped: verdict === 'verified' ? { tls: 'verified', isOperators: true } : null })
  }
}
