/**
 * cache-bound - the bound of a cache that strangers can fill, as options of lru-cache
 *
 * With `max`, lru-cache allocates the lists of all entries when the cache is created: megabytes for a bound that is rarely reached. A bound on the sum of
 * the sizes, where each entry has the size 1, evicts the same entries, and the lists grow with the entries.
 */

type CacheBound = { readonly maxSize: number; readonly sizeCalculation: () => number }

/** The options of an LRUCache that keeps at most `most` entries, the last used. */
export const upToEntries = (most: number): CacheBound => ({ maxSize: most, sizeCalculation: () => 1 })
