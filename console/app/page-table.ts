/**
 * page-table - lists that the daemon pages by a cursor: the page is in the URL as `after`, and the way back is remembered
 *
 *     const list = usePagedList((after, signal) => api.get<Answer>('/messages', { query: { after }, signal }), [filters])
 *
 * The daemon knows the next page only. The page before is known while the reader came from there; otherwise the first page is.
 *
 * See also: components/data-table (shows it), app/router.
 */
import { useResource, type Resource, type ResourceOptions } from '../api/resource.ts'
import { queryValue, withQuery } from './router.ts'

type Cursors = { readonly next: string | null }

export type PagedList<T extends Cursors> = Resource<T> & {
  /** URLs of other pages; null where there is none. */
  readonly pages: { readonly first: string | null; readonly previous: string | null; readonly next: string | null }
}

/** Cursor of a page → cursor of the page before it. */
const previousCursors = new Map<string, string>()
const MAX_REMEMBERED = 1_000

export function usePagedList<T extends Cursors>(
  load: (after: string, signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
  options: ResourceOptions = {},
): PagedList<T> {
  const after = queryValue('after')
  const resource = useResource((signal) => load(after, signal), [...inputs, after], options)
  const next = resource.value?.next ?? null
  if (next !== null) {
    if (previousCursors.size > MAX_REMEMBERED) previousCursors.clear()
    previousCursors.set(next, after)
  }
  const previous = previousCursors.get(after)
  return {
    ...resource,
    pages: {
      first: after === '' ? null : withQuery({ after: null }),
      previous: after === '' || previous === undefined ? null : withQuery({ after: previous }),
      next: next === null ? null : withQuery({ after: next }),
    },
  }
}
