/**
 * cache-bound.test - a cache with this bound keeps the entries that were used last, with and without a time to live
 */
import { LRUCache } from 'lru-cache'
import { expect, test } from 'vitest'
import { upToEntries } from '../../src/net/cache-bound.ts'

const caches = {
  'without a time to live': () => new LRUCache<string, number>(upToEntries(3)),
  'with a time to live': () => new LRUCache<string, number>({ ...upToEntries(3), ttl: 60_000 }),
}

test.each(Object.entries(caches))('at most three entries, the last used ones, %s', (_, create) => {
  const cache = create()
  for (const [n, key] of ['a', 'b', 'c'].entries()) cache.set(key, n)
  expect(cache.get('a')).toBe(0)
  cache.set('d', 3)
  cache.set('d', 4)
  expect([...cache.keys()].toSorted()).toEqual(['a', 'c', 'd'])
  cache.clear()
  expect(cache.size).toBe(0)
})
