/**
 * migration - one numbered step of the schema
 *
 * Each new step is a file of its own in this folder. Types and table suffixes are described in store/migrations/released.
 *
 * See also: store/engine/migrate (which runs the steps).
 */

/**
 * `version` rises by one. A released step never changes: its statements are checksummed in the store. A statement that begins with `@postgres`
 * or `@sqlite` is for that engine only.
 */
export type Migration = { readonly version: number; readonly name: string; readonly statements: readonly string[] }
