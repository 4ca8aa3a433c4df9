/**
 * json-reader - reads untrusted JSON with type checks
 *
 * Pure, total: an absent value, or one of another type, is null. See also: mail/feedback/xarf, mail/feedback/provider-event.
 */

export type JsonObject = { readonly [name: string]: unknown }

/** The JSON of a report is smaller. A hostile one of this length takes a few milliseconds; the time grows faster than the length. */
export const MAX_JSON = 262_144

/** Reads a JSON object from a text, which may contain words around it; null if there is none. Total. */
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
  // Checked: an object that is not an array has string keys.
  return value as JsonObject
}

export function asString(value: unknown): string | null {
  if (typeof value === 'string') return value
  return typeof value === 'number' ? String(value) : null
}

export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 1_000) : []
}
