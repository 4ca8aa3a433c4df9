/**
 * setting - one setting: its type, what it does and why its default is what it is
 *
 * See also: settings (the schema that they make), config (which reads by it).
 */
import { z } from 'zod'

/** `what` it does, `why` it has its default; `secret` values are never printed. */
export type SettingNote = { readonly what: string; readonly why: string; readonly secret?: boolean }

const notes = new Map<z.ZodType, SettingNote>()

/** A setting of the process: its type with its note. */
export function setting<T extends z.ZodType>(type: T, what: string, why: string, secret = false): T {
  notes.set(type, { what, why, secret })
  return type
}

export const portNumber = z.int().min(0).max(65_535)
export const positiveInteger = z.int().min(1)
export const dayCount = z.number().min(0)
export const dnsName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/, 'must be a domain in its ASCII form (A-label)')
export const nonEmptyText = z.string().min(1)

/** The note of a type that `setting` made; undefined for a table of settings. */
export function settingNoteOf(type: z.ZodType): SettingNote | undefined {
  return notes.get(type)
}
