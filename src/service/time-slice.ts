/**
 * time-slice - a long row of small works, with a turn for everybody else between them
 *
 * One thread answers all doors. A batch of mails or a request of a thousand recipients takes tens of milliseconds; who asks the API meanwhile waits
 * for a slice of it, and not for all.
 *
 * See also: service/receive/receive, service/submit/register-recipients, service/submit/register.
 */
import { setImmediate as others } from 'node:timers/promises'

/** What a question to the API may wait for. */
const SLICE_MS = 2

/** The work of each item in its order, one after the other. Rejects where a work throws; those behind it are not begun. */
export async function mapInTimeSlices<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Result,
): Promise<Result[]> {
  const results: Result[] = []
  let sliceStartedAt = performance.now()
  for (const [index, item] of items.entries()) {
    results.push(work(item, index))
    if (performance.now() - sliceStartedAt < SLICE_MS) continue
    await others()
    sliceStartedAt = performance.now()
  }
  return results
}
