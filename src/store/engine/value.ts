/**
 * value - the types that the store accepts, and the check that every value passes
 *
 * Both engines use four types: numbers (epoch milliseconds, counts), bytes (ids, digests), text (everything else, JSON included) and
 * null. Text is made well-formed and loses its NULs, since PostgreSQL refuses both and SQLite's functions cut at a NUL. `undefined` and
 * numbers that are not finite are refused, since the drivers disagree about them.
 *
 * See also: store/engine/engine, store/engine/table.
 */
import { Fault } from '../../errors.ts'

export type SqlValue = null | number | string | Uint8Array

export type SqlRow = Readonly<Record<string, SqlValue>>

/** Replaces a NUL and a lone surrogate: U+FFFD, as `toWellFormed` does. */
const REPLACEMENT_CHARACTER = '\uFFFD'

/** Text that both engines store and return unchanged. Total. */
function normalizeText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed()
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', REPLACEMENT_CHARACTER) : wellFormed
}

/** Checks a value on its way to either engine. Throws Fault internal for a value that no column can hold. */
export function normalizeValue(value: unknown): SqlValue {
  if (typeof value === 'string') return normalizeText(value)
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (value === null || value instanceof Uint8Array) return value
  throw new Fault('internal', `the store takes numbers, text, bytes and null, not ${describeType(value)}`)
}

function describeType(value: unknown): string {
  return typeof value === 'number' ? String(value) : value instanceof Date ? 'a Date' : typeof value
}
