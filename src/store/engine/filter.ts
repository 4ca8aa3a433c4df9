/**
 * filter - the conditions of a filter, as SQL and parameters
 *
 * A list of values becomes placeholders, padded to a power of two with its last value, so that a filter makes a handful of statements
 * and not one for each length.
 *
 * Pure. See also: store/mail/deliveries, store/lists/suppressions (who filter).
 */
import { Fault } from '../../errors.ts'
import type { Value } from './value.ts'

/** More values than that belong into `inKeys`. */
export const MAX_LIST = 1_024

export type Where = {
  /** Adds a condition where the value is given; `?` stands for it. */
  readonly when: (condition: string, value: Value | undefined) => Where
  /** Adds a condition without a value. */
  readonly also: (condition: string) => Where
  /** Adds `column in (…)` where the list is given; an empty list lets nothing through. */
  readonly whenIn: (column: string, list: readonly Value[] | undefined) => Where
  /** Adds a parameter; its placeholder. */
  readonly param: (value: Value) => string
  readonly sql: () => string
  readonly params: () => readonly Value[]
}

export function createWhere(first: string, value: Value): Where {
  const params: Value[] = []
  const conditions: string[] = []
  const param = (given: Value): string => `$${params.push(given)}`
  const where: Where = {
    when(condition, given) {
      if (given !== undefined) conditions.push(condition.replace('?', () => param(given)))
      return where
    },
    also(condition) {
      conditions.push(condition)
      return where
    },
    whenIn(column, list) {
      if (list === undefined) return where
      conditions.push(list.length === 0 ? '1 = 0' : `${column} in (${pad(list).map(param).join(', ')})`)
      return where
    },
    param,
    sql: () => conditions.join(' and '),
    params: () => params,
  }
  return where.when(first, value)
}

function pad(list: readonly Value[]): readonly Value[] {
  if (list.length > MAX_LIST) throw new Fault('bad_request', `a filter takes at most ${MAX_LIST} values at once, not ${list.length}`)
  const length = 2 ** Math.ceil(Math.log2(list.length))
  return Array.from({ length }, (_, i) => list[Math.min(i, list.length - 1)] ?? null)
}
