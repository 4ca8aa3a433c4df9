/**
 * time-slice - maps many items in order, and yields to the event loop at intervals
 *
 * One thread serves SMTP and HTTP. A batch of mails or a request with a thousand recipients takes tens of milliseconds; in between, other
 * requests wait for one slice of it, not for all of it.
 *
 * See also: service/receive/receive, service/submit/register-recipients, service/submit/register.
 */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'

/** How long another request may wait. */
const SLICE_MS = 2

/** Calls `work` for each item, one after the other. If a call throws, rejects and does not call `work` for the items after it. */
export async function mapInTimeSlices<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Result,
): Promise<Result[]> {
  const results: Result[] = []
  let sliceStartedAt = performance.now()
  for (const [index, item] of items.entries()) {
    results.push(work(item, index))
    if (performance.now() - sliceStartedAt < SLICE_MS) continue
    await yieldToEventLoop()
    sliceStartedAt = performance.now()
  }
  return results
}
