/**
 * batcher - what waits is worked on together, and one culprit harms only itself
 *
 * While a batch is being committed the next one collects; so one durable commit serves every session that came meanwhile. A
 * batch that fails because the store is away fails for all of it (they are told to come again). One that fails otherwise is halved
 * until the culprit stands alone, and `culprit` says what becomes of that one.
 *
 * See also: service/receive/receive.
 */
import { isRetryable } from '../errors.ts'

export type BatchOptions<In, Out> = {
  /** Items, and bytes by `sizeOf`, that close a batch. */
  readonly maxItems: number
  readonly maxBytes: number
  readonly sizeOf: (item: In) => number
  /** Batches under way at once: 1 where there is one writer. */
  readonly maxConcurrent: number
  /** All or nothing; answers in the order of the items. */
  readonly processBatch: (items: readonly In[]) => Promise<readonly Out[]>
  /** An item that fails alone. */
  readonly handleFailedItem: (item: In, error: unknown) => Promise<Out>
}

export type Batcher<In, Out> = {
  readonly submit: (item: In) => Promise<Out>
  /** Resolves when nothing waits and nothing runs. */
  readonly waitUntilIdle: () => Promise<void>
}

type PendingItem<In, Out> = { readonly item: In; readonly resolve: (out: Out) => void; readonly reject: (error: unknown) => void }

/** Makes a batcher; it works as soon as something waits. */
export function createBatcher<In, Out>(options: BatchOptions<In, Out>): Batcher<In, Out> {
  const queue: PendingItem<In, Out>[] = []
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
    while (running < options.maxConcurrent && queue.length > 0) {
      running++
      void runBatch(options, takeBatch(queue, options)).finally(() => {
        running--
        if (queue.length > 0) schedule()
        else if (running === 0) for (const wake of idleWaiters.splice(0)) wake()
      })
    }
  }
  return {
    submit: (item) =>
      new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject })
        schedule()
      }),
    waitUntilIdle: () => {
      if (running === 0 && queue.length === 0) return Promise.resolve()
      return new Promise((resolve) => {
        idleWaiters = [...idleWaiters, resolve]
      })
    },
  }
}

function takeBatch<In, Out>(queue: PendingItem<In, Out>[], options: BatchOptions<In, Out>): PendingItem<In, Out>[] {
  let bytes = 0
  let count = 0
  for (const { item } of queue) {
    bytes += options.sizeOf(item)
    if (count > 0 && (count >= options.maxItems || bytes > options.maxBytes)) break
    count++
  }
  return queue.splice(0, count)
}

/** Works on one batch and answers each of its items. Never rejects. */
async function runBatch<In, Out>(options: BatchOptions<In, Out>, batch: readonly PendingItem<In, Out>[]): Promise<void> {
  try {
    const results = await options.processBatch(batch.map(({ item }) => item))
    for (const [n, pending] of batch.entries()) {
      const result = results[n]
      if (result === undefined) pending.reject(new Error('a batch gave fewer answers than it had items'))
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
    await options.handleFailedItem(single.item, error).then(single.resolve, single.reject)
    return
  }
  const middle = Math.ceil(batch.length / 2)
  await runBatch(options, batch.slice(0, middle))
  await runBatch(options, batch.slice(middle))
}
