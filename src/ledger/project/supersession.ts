/**
 * supersession - which facts of a delivery are in force, where reclassified facts replace others
 *
 * A reclassified fact replaces one fact. Replacements form chains: the fact that a report made, its replacement, the replacement of that
 * one. The last fact of a chain is in force. If two facts replace the same one, the higher id wins, in whatever order they arrive.
 *
 * Pure. See also: ledger/project/delivery (the fold), ledger/decide/reclassification (creates the facts).
 */
import type { Fact } from '../facts/fact.ts'

/** For each superseded fact, the id of the fact that replaces it. */
export type Successors = ReadonlyMap<string, string>

/** For each superseded fact, the fact that replaces it. */
export function findSuccessors(facts: readonly Fact[]): Successors {
  const successors = new Map<string, string>()
  for (const fact of facts) {
    if (fact.kind !== 'reclassified') continue
    const current = successors.get(fact.data.supersedes)
    if (current === undefined || fact.id > current) successors.set(fact.data.supersedes, fact.id)
  }
  return successors
}

/** Whether nothing replaces a fact, and a fact that replaces another is the one that won. */
export function isFactInForce(fact: Fact, successors: Successors): boolean {
  if (successors.has(fact.id)) return false
  return fact.kind !== 'reclassified' || successors.get(fact.data.supersedes) === fact.id
}

/** The chain of replacements that ends in a fact, the first fact first. Facts that are not among `facts` are left out. */
export function chainOf(fact: Fact, facts: readonly Fact[]): readonly Fact[] {
  const byId = new Map(facts.map((each) => [each.id, each]))
  const chain: Fact[] = [fact]
  for (let first = fact; first.kind === 'reclassified';) {
    const previous = byId.get(first.data.supersedes)
    if (previous === undefined || chain.includes(previous)) break
    chain.unshift(previous)
    first = previous
  }
  return chain
}

/** The last fact of the chain of replacements that begins with a fact. */
export function lastOfChain(fact: Fact, facts: readonly Fact[]): Fact {
  const successors = findSuccessors(facts)
  const byId = new Map(facts.map((each) => [each.id, each]))
  const seen = new Set([fact.id])
  let last = fact
  for (let next = successors.get(last.id); next !== undefined && !seen.has(next); next = successors.get(last.id)) {
    seen.add(next)
    last = byId.get(next) ?? last
  }
  return last
}
