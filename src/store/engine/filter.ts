/**
 * filter - the conditions of a filter, as SQL and parameters
 *
 * A list of values becomes placeholders, padded to a power of two with its last value, so that a filter makes a handful of statements
 * and not one for each length.
 *
 * Pure. See also: store/mail/deliveries, store/lists/suppressions (who filter).
 */
import { Fault } from '../../errors.ts'
import type { SqlValue } from './value.ts'

/** More values than that belong into `inKeys`. */
export const MAX_FILTER_VALUES = 1_024

export type SqlFilter = {
  /** Adds a condition where the value is given; `?` stands for it. */
  readonly andIfGiven: (condition: string, value: SqlValue | undefined) => SqlFilter
  /** Adds a condition without a value. */
  readonly and: (condition: string) => SqlFilter
  /** Adds `column in (…)` where the list is given; an empty list lets nothing through. */
  readonly andInIfGiven: (column: string, list: readonly SqlValue[] | undefined) => SqlFilter
  /** Adds a parameter; its placeholder. */
  readonly addParameter: (value: SqlValue) => string
  readonly sql: () => string
  readonly parameters: () => readonly SqlValue[]
}

export function createSqlFilter(first: string, value: SqlValue): SqlFilter {
  const parameters: SqlValue[] = []
  const conditions: string[] = []
  const addParameter = (newValue: SqlValue): string => `$${parameters.push(newValue)}`
  const filter: SqlFilter = {
    andIfGiven(condition, newValue) {
      if (newValue !== undefined) conditions.push(condition.replace('?', () => addParameter(newValue)))
      return filter
    },
    and(condition) {
      conditions.push(condition)
      return filter
    },
    andInIfGiven(column, list) {
      if (list === undefined) return filter
      conditions.push(list.length === 0 ? '1 = 0' : `${column} in (${padToPowerOfTwo(list).map(addParameter).join(', ')})`)
      return filter
    },
    addParameter,
    sql: () => conditions.join(' and '),
    parameters: () => parameters,
  }
  return filter.andIfGiven(first, value)
}

function padToPowerOfTwo(list: readonly SqlValue[]): readonly SqlValue[] {
  if (list.length > MAX_FILTER_VALUES)
    throw new Fault('bad_request', `a filter takes at most ${MAX_FILTER_VALUES} values at once, not ${list.length}`)
  const length = 2 ** Math.ceil(Math.log2(list.length))
  return Array.from({ length }, (_, i) => list[Math.min(i, list.length - 1)] ?? null)
}
