/**
 * time-slice - runs long work in slices, and yields to the event loop in between
 *
 * One thread serves SMTP and HTTP. A batch of mails or a request with a thousand recipients takes tens of milliseconds, and so does one large mail.
 * Other requests wait for one slice of it, not for all of it.
 *
 * See also: service/receive/receive, service/receive/prepare, service/submit/register-recipients, service/submit/register.
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

/** The last task that waits for a slice. The event loop belongs to the process, and so does this queue. */
let lastSlice: Promise<unknown> = Promise.resolve()

/** Runs a long task in a slice of its own: two of them never add up to one pause of the event loop. Rejects if the task throws. */
export async function runInOwnSlice<Result>(task: () => Result): Promise<Result> {
  const slice = lastSlice.then(async () => yieldToEventLoop()).then(task)
  lastSlice = slice.catch(() => undefined)
  return slice
}

/** Runs a short task soon, one after the other with those of its kind. Rejects if the task throws; the others run. */
type TaskSeries = <Result>(task: () => Result) => Promise<Result>

/**
 * Creates a series: tasks that are requested while the sockets of one turn of the event loop are read run one after the other, in order and in slices.
 * Code that does the same for fifty mails in a row finds the processor's caches filled (docs/PERFORMANCE.md).
 */
export function createTaskSeries(): TaskSeries {
  let waiting: (() => void)[] = []
  let isRunning = false
  const runAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const tasks = waiting
      waiting = []
      await mapInTimeSlices(tasks, (run) => run())
    }
    isRunning = false
  }
  return async (task) =>
    new Promise((resolve, reject) => {
      waiting.push(() => {
        try {
          resolve(task())
        } catch (error) {
          reject(error)
        }
      })
      if (isRunning) return
      isRunning = true
      setImmediate(() => void runAll())
    })
}
