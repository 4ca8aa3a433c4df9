/**
 * setting - declares one setting: its type, its purpose, and the reason of its default
 *
 * `bounced config --reasons` prints both texts as "<what>. Default: <why>".
 *
 * See also: settings/schema (all settings), settings/load (reads them).
 */
import { z } from 'zod'

/** `what`: the purpose. `why`: the reason of the default. The value of a `secret` is never printed. */
export type SettingNote = { readonly what: string; readonly why: string; readonly secret?: boolean }

const notes = new Map<z.ZodType, SettingNote>()

/** Attaches a note to the type of a setting and returns the type. */
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

/** Returns the note of a setting, undefined for a group of settings. */
export function settingNoteOf(type: z.ZodType): SettingNote | undefined {
  return notes.get(type)
}
