/**
 * migrations - every step of the schema, in order; a released one is never changed
 *
 * Types are written `@int`, `@text`, `@bytes`, and each table ends in `@strict` (wide rows) or `@narrow` (short rows): see
 * store/migrate. `account_id` is the first key column of every account-owned table.
 *
 * See also: store/schema (the same tables as data).
 */

export type Migration = { readonly version: number; readonly name: string; readonly statements: readonly string[] }

export const MIGRATIONS: readonly Migration[] = []
