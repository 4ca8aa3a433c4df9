/**
 * tls-policy - which TLS a connection to a host must have
 *
 * Pure. See also: daemon/delivery/site-tls (with MTA-STS), smtp-client/handshake (carries it out), simulator/sender-connections.
 */
import { siteOf } from '../../classify/provider.ts'
import type { RuleTable } from '../../classify/rule-table.ts'

/** `opportunistic`: TLS if the server offers it; `required`: never without TLS; `verified`: TLS with a valid certificate. */
export type TlsPolicy = (typeof TLS_STRICTNESS)[number]

/** From the least strict to the strictest. */
export const TLS_STRICTNESS = ['off', 'opportunistic', 'required', 'verified'] as const

/** What the shaping of a site asks for. */
type ShapedTls = { readonly tls: TlsPolicy; readonly isOperators: boolean }

/**
 * The TLS policy for a host: what the operator's shaping of its site says, or else the strictest of the setting, `tls` in the rule file of its provider, and the shipped
 * shaping. A setting of `off` stays.
 *
 *     tlsPolicyFor(table, { setting: 'opportunistic', host: 'gmail-smtp-in.l.google.com', shaped: null })   → 'required'
 */
export function tlsPolicyFor(
  table: RuleTable,
  { setting, host, shaped }: { readonly setting: TlsPolicy; readonly host: string; readonly shaped: ShapedTls | null },
): TlsPolicy {
  if (shaped?.isOperators === true) return shaped.tls
  const { provider } = siteOf(table, { mx: host })
  const requested = provider === null ? undefined : table.files.find((file) => file.provider === provider)?.tls
  if (setting === 'off') return setting
  return [requested, shaped?.tls].reduce<TlsPolicy>(
    (strictest, each) => (each !== undefined && TLS_STRICTNESS.indexOf(each) > TLS_STRICTNESS.indexOf(strictest) ? each : strictest),
    setting,
  )
}
