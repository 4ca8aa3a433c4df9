/**
 * fact-batch - the facts of one decision, each of them new
 *
 * A primary fact that the world (or this draft) knows already yields nothing, its consequences neither.
 *
 * Pure but for the Draft that its caller owns. See also: ledger/decide/report.
 */
import type { Fact } from './fact.ts'
import { seenKey, type World } from '../project/state.ts'

export type Draft = {
  readonly facts: readonly Fact[]
  /** Adds a fact; false: it is known. */
  readonly add: (fact: Fact) => boolean
  /** Adds a fact and, where it is new, what follows from it. */
  readonly addWith: (fact: Fact, follow: () => readonly Fact[]) => void
}

/** An empty draft over a world, which it only reads. */
export function draftFor(world: World): Draft {
  const facts: Fact[] = []
  const drafted = new Set<string>()
  const add = (fact: Fact): boolean => {
    const key = seenKey(fact)
    if (world.seen.has(key) || drafted.has(key)) return false
    drafted.add(key)
    facts.push(fact)
    return true
  }
  const addWith = (fact: Fact, follow: () => readonly Fact[]): void => {
    if (add(fact)) for (const next of follow()) add(next)
  }
  return { facts, add, addWith }
}
