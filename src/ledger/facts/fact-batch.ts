/**
 * fact-batch - the facts of one decision, each of them new
 *
 * A primary fact that the world (or this draft) knows already yields nothing, its consequences neither.
 *
 * Pure but for the Draft that its caller owns. See also: ledger/decide/report.
 */
import type { Fact } from './fact.ts'
import { factKey, type LedgerState } from '../project/state.ts'

export type FactBatch = {
  readonly facts: readonly Fact[]
  /** Adds a fact; false: it is known. */
  readonly add: (fact: Fact) => boolean
  /** Adds a fact and, where it is new, what follows from it. */
  readonly addWithConsequences: (fact: Fact, consequences: () => readonly Fact[]) => void
}

/** An empty draft over a world, which it only reads. */
export function createFactBatch(ledger: LedgerState): FactBatch {
  const facts: Fact[] = []
  const addedKeys = new Set<string>()
  const add = (fact: Fact): boolean => {
    const key = factKey(fact)
    if (ledger.seenKeys.has(key) || addedKeys.has(key)) return false
    addedKeys.add(key)
    facts.push(fact)
    return true
  }
  const addWithConsequences = (fact: Fact, consequences: () => readonly Fact[]): void => {
    if (add(fact)) for (const next of consequences()) add(next)
  }
  return { facts, add, addWithConsequences }
}
