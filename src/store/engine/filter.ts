/**
 * filter - builds the conditions of a query with their parameters
 *
 * A list of values becomes placeholders, padded to a power of two with its last value, so that there are few different statements.
 *
 * Pure. See also: store/mail/deliveries, store/lists/suppressions (which filter).
 */
import { Fault } from '../../errors.ts'
import type { SqlValue } from './value.ts'

/** Most values of one list. For more, use `inKeys`. */
export const MAX_FILTER_VALUES = 1_024

export type SqlFilter = {
  /** Adds a condition if the value is given. `?` stands for the value. */
  readonly andIfGiven: (condition: string, value: SqlValue | undefined) => SqlFilter
  /** Adds a condition without a value. */
  readonly and: (condition: string) => SqlFilter
  /** Adds `column in (…)` if the list is given. An empty list matches nothing. */
  readonly andInIfGiven: (column: string, list: readonly SqlValue[] | undefined) => SqlFilter
  /** Adds a parameter. Returns its placeholder. */
  readonly addParameter: (value: SqlValue) => string
  readonly sql: () => string
  readonly parameters: () => readonly SqlValue[]
}

/** Starts a filter with its first condition. Throws Fault bad_request for a list of more than {@link MAX_FILTER_VALUES} values. */
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
