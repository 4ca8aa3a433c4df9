/**
 * parameters - the vendor's parameters, merged from wherever they came and checked by an ordered table
 *
 * Query, form and multipart make one bag of texts (the body wins). A table names each parameter with its aliases, its code when it is
 * missing (null: it may be), its code when it is there and empty, its code when it is wrong, and how it is read. The first row that fails
 * answers.
 *
 * See also: http/sendcloud/envelope (the codes).
 */
import type { SendCloudCode } from './envelope.ts'

export type RequestParameters = ReadonlyMap<string, string>

/** `read` gives null for what is wrong; `absent` is the value of a parameter that may be missing and is. */
export type Parameter<T> = {
  readonly names: readonly string[]
  readonly missingCode: SendCloudCode | null
  /** When it may be missing, but is there without a value; absent: that is as good as missing. */
  readonly blankCode?: SendCloudCode
  readonly invalidCode: SendCloudCode
  readonly read: (text: string) => T | null
  readonly defaultValue: T
}

/** A row of a table whose value is a T, checked as such. */
export const defineParameter = <T>(row: Parameter<T>): Parameter<T> => row

export type ParameterTable = Readonly<Record<string, Parameter<unknown>>>
export type ParameterValues<Table extends ParameterTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Parameter<infer T> ? T : never
}
export type ParameterResult<Table extends ParameterTable> =
  | { readonly ok: true; readonly values: ParameterValues<Table> }
  | { readonly ok: false; readonly code: SendCloudCode; readonly name: string }

/** A parameter longer than this is cut off from everything we store; 4,000 ids of 100 characters fit. */
const MAX_VALUE_LENGTH = 400_000

/** One bag out of what the request carried, the later source winning. Names with several values keep the last. Total. */
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

/** Checks a bag by a table, in the table's order. Pure. */
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
  // The checked door: every name of the table has just been read by its own row.
  return { ok: true, values: values as ParameterValues<Table> }
}

/** A whole number within bounds. */
export function readWhole(min: number, max: number): (text: string) => number | null {
  return (text) => (/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : null)
}

/** Texts between semicolons; null when there are more than `most` or none. */
export function readList(max: number): (text: string) => readonly string[] | null {
  return (text) => {
    const parts = text
      .split(';')
      .map((part) => part.trim())
      .filter(Boolean)
    return parts.length > 0 && parts.length <= max ? parts : null
  }
}
