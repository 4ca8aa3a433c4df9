/**
 * json-rows - reads rows from the JSON of a response, without trusting its shape
 */
export type Row = Readonly<Record<string, unknown>>

export const isRow = (value: unknown): value is Row => typeof value === 'object' && value !== null

/** The rows of a list that a value has under a name; empty: it has none. */
export const rowsIn = (value: unknown, name: string): readonly Row[] => {
  const found = isRow(value) ? value[name] : undefined
  return Array.isArray(found) ? found.filter(isRow) : []
}
