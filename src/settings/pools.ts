/**
 * pools - reads the egress IPs of each account, and the EHLO name of each IP, from the settings
 *
 * Pure. See also: settings/delivery, queue/queue-state (pools).
 */
import type { z } from 'zod'
import type { deliverySettings } from './delivery.ts'

type PoolSettings = Pick<z.output<typeof deliverySettings>, 'mode' | 'egressIps' | 'accountEgressIps'>

/** Stands for the address that the system chooses. Simulated providers need a real one, from the documentation range of RFC 5737. */
const SYSTEM_ADDRESS = 'default'
const SIMULATED_ADDRESS = '192.0.2.1'

/** Returns the egress IPs by account number; `*` for all other accounts. */
export function egressPoolsOf({ mode, egressIps, accountEgressIps }: PoolSettings): Readonly<Record<string, readonly string[]>> {
  const defaultAddress = mode === 'simulated' ? SIMULATED_ADDRESS : SYSTEM_ADDRESS
  const accountEntries = accountEgressIps.map((entry) => entry.split('=', 2))
  const pools = Object.groupBy(accountEntries, ([account = '']) => account)
  const accountPools = Object.entries(pools).map(
    ([account, entries = []]) => [account, [...new Set(entries.map(([, ip = '']) => ip))]] as const,
  )
  return { ...Object.fromEntries(accountPools), '*': egressIps.length === 0 ? [defaultAddress] : egressIps }
}

/** Returns the egress IPs of all pools. */
export const egressIpsOf = (settings: PoolSettings): ReadonlySet<string> => new Set(Object.values(egressPoolsOf(settings)).flat())

/** Returns the EHLO name of an egress IP: its own, or the one of all. */
export function ehloNamesOf(
  { egressEhlo }: Pick<z.output<typeof deliverySettings>, 'egressEhlo'>,
  ehlo: string,
): (egressIp: string) => string {
  const names = new Map(egressEhlo.map((entry) => [entry.slice(0, entry.indexOf('=')).toLowerCase(), entry.slice(entry.indexOf('=') + 1)]))
  return (egressIp) => names.get(egressIp.toLowerCase()) ?? ehlo
}
