/**
 * json-reader - JSON of strangers, one checked step at a time
 *
 * Pure, total: what is not there, or is of another kind, is null. See also: mail/feedback/xarf, mail/feedback/provider-event.
 */

export type JsonObject = { readonly [name: string]: unknown }

/** A report's JSON is small; a larger one is not read. */
const MAX_JSON = 262_144

/** Reads an object out of a text that may hold words around it. */
export function parseJsonObject(text: string): JsonObject | null {
  const from = text.indexOf('{')
  const to = text.lastIndexOf('}')
  if (from < 0 || to <= from || to - from > MAX_JSON) return null
  try {
    return asObject(JSON.parse(text.slice(from, to + 1)))
  } catch {
    return null
  }
}

export function asObject(value: unknown): JsonObject | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  // Checked door: an object that is no array has string names.
  return value as JsonObject
}

export function asString(value: unknown): string | null {
  if (typeof value === 'string') return value
  return typeof value === 'number' ? String(value) : null
}

export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 1_000) : []
}
