/**
 * omit-nullish - drops the fields of an object that are null or undefined
 *
 * The store's filters are optional properties; query parameters that were not given are null or undefined.
 */

/** Returns a copy without the null and undefined fields. Total. */
export function omitNullish<T extends object>(filters: { readonly [Name in keyof T]: T[Name] | null | undefined }): Partial<T> {
  // Checked cast: only null and undefined are removed, so every remaining field has its type in T.
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== null && value !== undefined)) as Partial<T>
}
