/**
 * batcher - groups items that arrive at the same time into one transaction
 *
 * While one batch is being committed, the next one collects items, so that one durable commit serves many sessions. If a batch fails with a
 * retryable fault (the store is unavailable), all of its items fail. If it fails otherwise, it is split in halves until the failing item is
 * alone. If the error is about that item (an error of our own code, or a value that the store refuses), `handleFailedItem` decides what
 * happens to it. Any other error rejects the item, so that its sender tries again. Accounts take turns in filling a batch.
 *
 * See also: service/receive/receive, service/forward/forward-mail.
 */
import { isItemFault, isRetryable } from '../errors.ts'
import { createFairQueue, type FairQueue } from '../queue/schedule/fair-queue.ts'

type BatchOptions<In, Out> = {
  /** A batch is closed at this number of items, or at this number of bytes. Bytes that items share count once. */
  readonly maxItems: number
  readonly maxBytes: number
  readonly bytesOf: (item: In) => Uint8Array
  /** Whose item it is; 0: nobody's that is known. */
  readonly accountOf: (item: In) => number
  /** Batches processed at the same time: 1 for a store with one writer. */
  readonly maxConcurrent: number
  /** Processes a batch, all or nothing. Resolves to results in the order of the items. */
  readonly processBatch: (items: readonly In[]) => Promise<readonly Out[]>
  /** Called with an item that fails in a batch of its own by its own fault. Its result or its rejection is passed to the submitter. */
  readonly handleFailedItem: (item: In, error: unknown) => Promise<Out>
}

type Batcher<In, Out> = {
  /** Queues an item and resolves to its result. */
  readonly submit: (item: In) => Promise<Out>
  /** Resolves when no item is queued and no batch is running. */
  readonly waitUntilIdle: () => Promise<void>
}

type PendingItem<In, Out> = { readonly item: In; readonly resolve: (out: Out) => void; readonly reject: (error: unknown) => void }

/** Creates a batcher. It starts a batch as soon as an item is queued. */
export function createBatcher<In, Out>(options: BatchOptions<In, Out>): Batcher<In, Out> {
  const queue = createFairQueue<PendingItem<In, Out>>()
  let idleWaiters: (() => void)[] = []
  let running = 0
  let scheduled = false

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(pump)
  }
  const pump = (): void => {
    scheduled = false
    while (running < options.maxConcurrent && queue.size() > 0) {
      running++
      void runBatch(options, takeBatch(queue, options)).finally(() => {
        running--
        if (queue.size() > 0) schedule()
        else if (running === 0) for (const wake of idleWaiters.splice(0)) wake()
      })
    }
  }
  return {
    submit: (item) =>
      new Promise((resolve, reject) => {
        queue.push(options.accountOf(item), { item, resolve, reject })
        schedule()
      }),
    waitUntilIdle: () => {
      if (running === 0 && queue.size() === 0) return Promise.resolve()
      return new Promise((resolve) => {
        idleWaiters = [...idleWaiters, resolve]
      })
    },
  }
}

function takeBatch<In, Out>(queue: FairQueue<PendingItem<In, Out>>, options: BatchOptions<In, Out>): readonly PendingItem<In, Out>[] {
  const counted = new Set<Uint8Array>()
  const batch: PendingItem<In, Out>[] = []
  let bytes = 0
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    const content = options.bytesOf(next.item)
    if (!counted.has(content)) bytes += content.length
    counted.add(content)
    if (batch.length > 0 && (batch.length >= options.maxItems || bytes > options.maxBytes)) break
    batch.push(next)
    queue.shift()
  }
  return batch
}

/** Processes one batch and settles each of its items. Never rejects. */
async function runBatch<In, Out>(options: BatchOptions<In, Out>, batch: readonly PendingItem<In, Out>[]): Promise<void> {
  try {
    const results = await options.processBatch(batch.map(({ item }) => item))
    for (const [n, pending] of batch.entries()) {
      const result = results[n]
      if (result === undefined) pending.reject(new Error('the batch returned fewer results than it had items'))
      else pending.resolve(result)
    }
  } catch (error) {
    await splitFailedBatch(options, batch, error)
  }
}

async function splitFailedBatch<In, Out>(
  options: BatchOptions<In, Out>,
  batch: readonly PendingItem<In, Out>[],
  error: unknown,
): Promise<void> {
  if (isRetryable(error)) {
    for (const pending of batch) pending.reject(error)
    return
  }
  const [single] = batch
  if (batch.length === 1 && single !== undefined) {
    if (isItemFault(error)) await options.handleFailedItem(single.item, error).then(single.resolve, single.reject)
    else single.reject(error)
    return
  }
  const middle = Math.ceil(batch.length / 2)
  await runBatch(options, batch.slice(0, middle))
  await runBatch(options, batch.slice(middle))
}
