/**
 * egress-pool - the pools of egress IPs, and the rules that choose the pool of a message
 *
 * A rule names an account, a label, a sender domain, or several of them. The most specific rule that fits decides. An account comes before a
 * label and a label before a sender domain, so that no label leads out of the pool of an account. Without a rule, the pool `*` is used.
 *
 * See also: settings/pools (reads them from the settings), queue/schedule/egress-rotation (uses the weights).
 */

/** An egress IP. Its share of the messages is its weight among those that are open; 0: it is used while no other is open. */
export type WeightedIp = { readonly ip: string; readonly weight: number }

/** Absent: any. Labels and domains are lower case. */
export type PoolRule = {
  readonly account?: number | undefined
  readonly label?: string | undefined
  readonly senderDomain?: string | undefined
  readonly pool: string
}

/** Pools by name; a plain IP has the weight 1. `*`: the pool of messages for which there is no rule. A number: the pool of this account. */
export type PoolTable = Readonly<Record<string, readonly (string | WeightedIp)[]>>

/** An IP and its place in the rotation (queue/schedule/egress-rotation). */
export type PooledIp = WeightedIp & { credit: number }

export type EgressPool = { readonly name: string; readonly ips: readonly PooledIp[] }

export type EgressPools = {
  readonly byName: ReadonlyMap<string, EgressPool>
  /** The pools that rules choose, by the name of the rule. */
  readonly byRule: ReadonlyMap<string, EgressPool>
  /** The kinds of rules that there are, most specific first. */
  readonly ruleKinds: readonly RuleKind[]
}

/** What chooses the pool of a message. `labelName` absent: it has no label. */
export type PoolSelector = { readonly account: number; readonly senderDomain: string; readonly labelName?: string }

const CONDITIONS = ['account', 'label', 'senderDomain'] as const

type RuleKind = readonly (typeof CONDITIONS)[number][]

/** What a rule may name, most specific first. */
const RULE_KINDS: readonly RuleKind[] = [
  ['account', 'label', 'senderDomain'],
  ['account', 'label'],
  ['account', 'senderDomain'],
  ['account'],
  ['label', 'senderDomain'],
  ['label'],
  ['senderDomain'],
]

const NO_POOL: EgressPool = { name: '*', ips: [] }

/** The label is last, since it may contain the separator. */
const nameOfRule = ({ account, senderDomain, label }: Omit<PoolRule, 'pool'>): string =>
  `${account ?? ''}|${senderDomain ?? ''}|${label ?? ''}`

/** What a rule names, in words that are the same for rules that name the same. */
export const conditionsOf = ({ account, label, senderDomain }: Omit<PoolRule, 'pool'>): string =>
  [
    ...(account === undefined ? [] : [`account ${account}`]),
    ...(label === undefined ? [] : [`label ${JSON.stringify(label)}`]),
    ...(senderDomain === undefined ? [] : [`senderDomain ${senderDomain}`]),
  ].join(', ')

/** Reads pools and rules. A rule for a pool that does not exist is left out. */
export function createEgressPools(table: PoolTable, rules: readonly PoolRule[] = []): EgressPools {
  const byName = new Map(Object.entries(table).map(([name, ips]) => [name, createPool(name, ips)]))
  const accountRules = [...byName.keys()].filter((name) => /^\d+$/.test(name)).map((pool): PoolRule => ({ account: Number(pool), pool }))
  const byRule = new Map<string, EgressPool>()
  const kinds = new Set<RuleKind>()
  for (const rule of [...accountRules, ...rules]) {
    const pool = byName.get(rule.pool)
    const kind = RULE_KINDS.find((each) => CONDITIONS.every((name) => each.includes(name) === (rule[name] !== undefined)))
    if (pool === undefined || kind === undefined) continue
    byRule.set(nameOfRule(rule), pool)
    kinds.add(kind)
  }
  return { byName, byRule, ruleKinds: RULE_KINDS.filter((kind) => kinds.has(kind)) }
}

/** An IP that is listed twice has both weights. */
function createPool(name: string, members: PoolTable[string]): EgressPool {
  const weights = new Map<string, number>()
  for (const member of members) {
    const { ip, weight } = typeof member === 'string' ? { ip: member, weight: 1 } : member
    weights.set(ip, (weights.get(ip) ?? 0) + weight)
  }
  return { name, ips: [...weights].map(([ip, weight]) => ({ ip, weight, credit: 0 })) }
}

/** The pool of a message. Total; a pool without IPs where none is known. */
export function poolOf({ byName, byRule, ruleKinds }: EgressPools, { account, senderDomain, labelName }: PoolSelector): EgressPool {
  for (const kind of ruleKinds) {
    if (labelName === undefined && kind.includes('label')) continue
    const name = nameOfRule({
      account: kind.includes('account') ? account : undefined,
      senderDomain: kind.includes('senderDomain') ? senderDomain : undefined,
      label: kind.includes('label') ? labelName?.toLowerCase() : undefined,
    })
    const pool = byRule.get(name)
    if (pool !== undefined) return pool
  }
  return byName.get('*') ?? NO_POOL
}
