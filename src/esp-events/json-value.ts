/**
 * json-value - reads the members of a JSON value that a stranger sent
 *
 * Total: a member that is absent or has another type is null or empty. Texts are cut, and have no control characters.
 *
 * Pure. See also: esp-events/esp-event.
 */
import { hash } from 'node:crypto'

export type JsonRecord = Readonly<Record<string, unknown>>

/** Longer than any reply that a rule needs. */
const MAX_TEXT_LENGTH = 4_096
/** What a list has beyond this is not read. */
export const MAX_LIST_LENGTH = 10_000

/** The JSON value of a body; null: it is none. */
export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** A value as a record; empty: it is none. */
export const toRecord = (value: unknown): JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : {}

/** A value as a list; empty: it is none. */
export const toList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value.slice(0, MAX_LIST_LENGTH) : [])

/** A text or a number as one line. Null: it is neither, or empty. */
export function toText(value: unknown, maxLength: number = MAX_TEXT_LENGTH): string | null {
  const text = typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
  const line = text
    .slice(0, maxLength)
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  return line === '' ? null : line
}

/** The texts among these values. */
export const presentTextsOf = (...values: readonly unknown[]): readonly string[] => values.flatMap((value) => toText(value, 1_024) ?? [])

const SECOND_MS = 1_000
/** The first day of 2100: what is later is no time of an event. */
const MAX_TIME = 4_102_444_800_000

const toMoment = (ms: number): number | null => (Number.isFinite(ms) && ms > 0 && ms < MAX_TIME ? Math.round(ms) : null)

/** Seconds since 1970, as a number or a text, in epoch ms. */
export const toMomentOfSeconds = (value: unknown): number | null => toMoment(Number(toText(value, 32) ?? Number.NaN) * SECOND_MS)

/** A date of ISO 8601 in epoch ms. */
export const toMomentOfDate = (value: unknown): number | null => toMoment(Date.parse(toText(value, 64) ?? ''))

export const toWholeNumber = (value: unknown): number | null => {
  const text = toText(value, 16)
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null
}

/** A name for a value that has none: the same for the same value. */
export const digestOfJson = (value: unknown): string => hash('sha256', JSON.stringify(value) ?? '').slice(0, 32)
