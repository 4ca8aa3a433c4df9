/**
 * value - what may enter and leave the store, and the one door it passes
 *
 * Four types on both engines: epoch milliseconds and counts as numbers, ids and digests as bytes, everything else as text
 * (JSON too), and null. Text is made well-formed and loses its NULs here, since PostgreSQL refuses both and SQLite cuts at a
 * NUL in its own functions; `undefined` and numbers that are none are refused, since each driver would guess differently.
 *
 * See also: store/engine/engine, store/engine/table.
 */
import { Fault } from '../../errors.ts'

export type SqlValue = null | number | string | Uint8Array

export type SqlRow = Readonly<Record<string, SqlValue>>

/** What replaces a NUL and half of a surrogate pair: U+FFFD, as `toWellFormed` has it. */
const REPLACEMENT_CHARACTER = '\uFFFD'

/** Text that both engines take and give back unchanged. Total. */
function normalizeText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed()
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', REPLACEMENT_CHARACTER) : wellFormed
}

/** The door: every value passes here on its way to either engine. Throws Fault internal for what no column can hold. */
export function normalizeValue(value: unknown): SqlValue {
  if (typeof value === 'string') return normalizeText(value)
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (value === null || value instanceof Uint8Array) return value
  throw new Fault('internal', `the store takes numbers, text, bytes and null, not ${describeType(value)}`)
}

function describeType(value: unknown): string {
  return typeof value === 'number' ? String(value) : value instanceof Date ? 'a Date' : typeof value
}
