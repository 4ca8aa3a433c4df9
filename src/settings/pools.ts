/**
 * pools - reads the pools of egress IPs, the rules that choose one, and the EHLO name of each IP, from the settings
 *
 * Pure. See also: settings/delivery, queue/egress-pool, docs/DELIVERY.md (Pools).
 */
import { z } from 'zod'
import { conditionsOf, type PoolRule, type PoolTable, type WeightedIp } from '../queue/egress-pool.ts'
import { dnsName } from './setting.ts'

const ipAddress = z.union([z.ipv4(), z.ipv6()])

/** Enough for shares of a tenth of a percent. */
const MAX_WEIGHT = 1_000

/** An address, or an address with its weight. */
export const egressIpSchema = z.union(
  [ipAddress, z.strictObject({ ip: ipAddress, weight: z.int().min(0).max(MAX_WEIGHT).default(1) })],
  `must be an address, or { ip = ADDRESS, weight = 0 to ${MAX_WEIGHT} }`,
)

export const poolSchema = z.strictObject({
  /** Begins with a letter: a number is the pool of an account. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'must be a lower-case letter, then up to 39 lower-case letters, digits or -'),
  ips: z.array(egressIpSchema).min(1, 'a pool needs an address'),
})

export const poolRuleSchema = z.strictObject({
  account: z.int().min(1).optional(),
  label: z.string().trim().min(1).max(128).toLowerCase().optional(),
  senderDomain: dnsName.optional(),
  pool: z.string(),
})

type PoolSettings = {
  readonly mode: string
  readonly egressIps: readonly z.output<typeof egressIpSchema>[]
  readonly accountEgressIps: readonly string[]
  readonly pools: readonly z.output<typeof poolSchema>[]
  readonly poolRules: readonly PoolRule[]
}

type PoolProblem = { readonly setting: 'pools' | 'poolRules'; readonly message: string }

/** What is wrong with pools and rules taken together. */
export function poolProblemsOf({ accountEgressIps, pools, poolRules }: Omit<PoolSettings, 'mode' | 'egressIps'>): readonly PoolProblem[] {
  const names = pools.map(({ name }) => name)
  const ownPools = new Set(accountEgressIps.map((entry) => conditionsOf({ account: Number(accountOf(entry)) })))
  const conditions = poolRules.map(conditionsOf)
  return [
    ...repeatedIn(names).map((name) => poolProblem(`two pools have the name "${name}"`)),
    ...pools.flatMap(({ name, ips }) =>
      repeatedIn(ips.map((member) => toWeightedIp(member).ip.toLowerCase())).map((ip) =>
        poolProblem(`pool "${name}" lists ${ip} twice; give it a weight instead`),
      ),
    ),
    ...poolRules.flatMap(({ pool }, index) => {
      const what = conditions[index] ?? ''
      if (what === '') return [ruleProblem(`the rule for pool "${pool}" names no account, label or senderDomain; it needs at least one`)]
      if (!names.includes(pool)) return [ruleProblem(`there is no pool "${pool}" (${what}); ${knownPools(names)}`)]
      return ownPools.has(what) ? [ruleProblem(`${what} has a pool in accountEgressIps as well; keep one of the two`)] : []
    }),
    ...repeatedIn(conditions.filter((what) => what !== '')).map((what) => ruleProblem(`two rules are for ${what}; keep one`)),
  ]
}

const poolProblem = (message: string): PoolProblem => ({ setting: 'pools', message })

const ruleProblem = (message: string): PoolProblem => ({ setting: 'poolRules', message })

const knownPools = (names: readonly string[]): string =>
  names.length === 0 ? 'delivery.pools names none' : `delivery.pools has ${names.join(', ')}`

function repeatedIn(texts: readonly string[]): string[] {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const text of texts) (seen.has(text) ? repeated : seen).add(text)
  return [...repeated]
}

const accountOf = (entry: string): string => entry.slice(0, entry.indexOf('='))

const toWeightedIp = (member: string | WeightedIp): WeightedIp => (typeof member === 'string' ? { ip: member, weight: 1 } : member)

/** Stands for the address that the system chooses. Simulated providers need a real one, from the documentation range of RFC 5737. */
const SYSTEM_ADDRESS = 'default'
const SIMULATED_ADDRESS = '192.0.2.1'

/** Returns the pools by name: of single accounts by their numbers, the named ones, and `*`. */
export function egressPoolsOf({ mode, egressIps, accountEgressIps, pools }: PoolSettings): PoolTable {
  const defaultAddress = mode === 'simulated' ? SIMULATED_ADDRESS : SYSTEM_ADDRESS
  const accountEntries = Object.groupBy(accountEgressIps, (entry) => String(Number(accountOf(entry))))
  const accountPools = Object.entries(accountEntries).map(
    ([account, entries = []]) => [account, [...new Set(entries.map((entry) => entry.slice(entry.indexOf('=') + 1)))]] as const,
  )
  return {
    ...Object.fromEntries([...accountPools, ...pools.map(({ name, ips }) => [name, ips] as const)]),
    '*': egressIps.length === 0 ? [defaultAddress] : egressIps,
  }
}

/** Returns the egress IPs of all pools, first those that all accounts share. */
export function egressIpsOf(settings: PoolSettings): ReadonlySet<string> {
  const { '*': shared = [], ...others } = egressPoolsOf(settings)
  return new Set([shared, ...Object.values(others)].flat().map((member) => toWeightedIp(member).ip))
}

/** Returns the addresses that the settings name, none for the one that the system chooses. */
export const namedEgressIpsOf = (settings: PoolSettings): readonly string[] =>
  [...egressIpsOf({ ...settings, mode: '' })].filter((ip) => ip !== SYSTEM_ADDRESS)

/** Returns the EHLO name of an egress IP: its own, or the one of all. */
export function ehloNamesOf({ egressEhlo }: { readonly egressEhlo: readonly string[] }, ehlo: string): (egressIp: string) => string {
  const names = new Map(egressEhlo.map((entry) => [entry.slice(0, entry.indexOf('=')).toLowerCase(), entry.slice(entry.indexOf('=') + 1)]))
  return (egressIp) => names.get(egressIp.toLowerCase()) ?? ehlo
}
