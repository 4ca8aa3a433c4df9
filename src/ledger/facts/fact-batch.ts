/**
 * fact-batch - collects the new facts of one decision
 *
 * A fact that the ledger or the batch already has is dropped, together with its consequences.
 *
 * Pure except for the FactBatch, which belongs to its caller. See also: ledger/decide/report.
 */
import type { Fact } from './fact.ts'
import { factKey, type LedgerState } from '../project/state.ts'

export type FactBatch = {
  readonly facts: readonly Fact[]
  /** Adds a fact. False: it is known. */
  readonly add: (fact: Fact) => boolean
  /** Adds a fact and, if it is new, the facts that follow from it. */
  readonly addWithConsequences: (fact: Fact, consequences: () => readonly Fact[]) => void
}

/** Creates an empty batch. Reads the ledger state and does not change it. */
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
