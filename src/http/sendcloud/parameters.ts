/**
 * parameters - collects the parameters of a request and validates them by an ordered table
 *
 * The parameters of query, form and multipart form are merged into one map of strings; the body overrides the query. A table row defines a
 * parameter: its names, the code if it is missing (null: it is optional), the code if it is present but empty, the code if it is invalid, and
 * how it is read. The first row that fails decides the error.
 *
 * See also: http/sendcloud/envelope (the codes).
 */
import type { SendCloudCode } from './envelope.ts'

export type RequestParameters = ReadonlyMap<string, string>

/** `read` returns null for an invalid value; `defaultValue` is the value of an optional parameter that is missing. */
export type Parameter<T> = {
  readonly names: readonly string[]
  readonly missingCode: SendCloudCode | null
  /** The code of an optional parameter that is present but empty. If not set, empty counts as missing. */
  readonly blankCode?: SendCloudCode
  readonly invalidCode: SendCloudCode
  readonly read: (text: string) => T | null
  readonly defaultValue: T
}

/** Returns a row, with its type checked. */
export const defineParameter = <T>(row: Parameter<T>): Parameter<T> => row

type ParameterTable = Readonly<Record<string, Parameter<unknown>>>
export type ParameterValues<Table extends ParameterTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Parameter<infer T> ? T : never
}
type ParameterResult<Table extends ParameterTable> =
  | { readonly ok: true; readonly values: ParameterValues<Table> }
  | { readonly ok: false; readonly code: SendCloudCode; readonly name: string }

/** Longer values are truncated. 4,000 IDs of 100 characters fit. */
const MAX_VALUE_LENGTH = 400_000

/** Merges the sources; later ones override earlier ones, and of several values of a name the last one is used. Total. */
export function collectParameters(...sources: readonly unknown[]): RequestParameters {
  const parameters = new Map<string, string>()
  for (const source of sources) {
    if (typeof source !== 'object' || source === null) continue
    for (const [name, value] of Object.entries(source)) {
      const last: unknown = Array.isArray(value) ? value.at(-1) : value
      if (typeof last === 'string' || typeof last === 'number' || typeof last === 'boolean')
        parameters.set(name, String(last).slice(0, MAX_VALUE_LENGTH))
    }
  }
  return parameters
}

function firstValue(parameters: RequestParameters, names: readonly string[]): string {
  for (const name of names) {
    const value = parameters.get(name)?.trim()
    if (value) return value
  }
  return ''
}

/** Validates the parameters in the order of the table. Pure. */
export function readParameters<Table extends ParameterTable>(table: Table, parameters: RequestParameters): ParameterResult<Table> {
  const values: Record<string, unknown> = {}
  for (const [name, row] of Object.entries<Parameter<unknown>>(table)) {
    const text = firstValue(parameters, row.names)
    if (text === '') {
      const code = row.missingCode ?? (row.names.some((each) => parameters.has(each)) ? row.blankCode : undefined)
      if (code !== undefined) return { ok: false, code, name }
      values[name] = row.defaultValue
      continue
    }
    const value = row.read(text)
    if (value === null) return { ok: false, code: row.invalidCode, name }
    values[name] = value
  }
  // Checked cast: every name of the table was read by its own row.
  return { ok: true, values: values as ParameterValues<Table> }
}

/** Reads an integer between two bounds, inclusive. */
export function readWhole(min: number, max: number): (text: string) => number | null {
  return (text) => (/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : null)
}

/** Reads values separated by semicolons; null if there are none or more than `max`. */
export function readList(max: number): (text: string) => readonly string[] | null {
  return (text) => {
    const parts = text
      .split(';')
      .map((part) => part.trim())
      .filter(Boolean)
    return parts.length > 0 && parts.length <= max ? parts : null
  }
}
