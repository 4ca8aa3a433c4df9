/**
 * pools - the addresses that each account's mail leaves by, out of the settings
 *
 * Pure. See also: settings/delivery, queue/queue-state (pools).
 */
import type { z } from 'zod'
import type { delivery } from './delivery.ts'

type Rules = Pick<z.output<typeof delivery>, 'mode' | 'egressIps' | 'accountEgressIps'>

/** The name of the one address of which only the system knows; simulated providers want to see one (RFC 5737). */
const SYSTEMS = 'default'
const SIMULATED = '192.0.2.1'

/** Egress IPs by account number; `*` for all others. */
export function poolsOf({ mode, egressIps, accountEgressIps }: Rules): Readonly<Record<string, readonly string[]>> {
  const unnamed = mode === 'simulated' ? SIMULATED : SYSTEMS
  const own = accountEgressIps.map((entry) => entry.split('=', 2))
  const pools = Object.groupBy(own, ([account = '']) => account)
  const named = Object.entries(pools).map(([account, entries = []]) => [account, [...new Set(entries.map(([, ip = '']) => ip))]] as const)
  return { ...Object.fromEntries(named), '*': egressIps.length === 0 ? [unnamed] : egressIps }
}

/** All of them. */
export const egressIpsOf = (rules: Rules): ReadonlySet<string> => new Set(Object.values(poolsOf(rules)).flat())
