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
  readonly lanes: number
  /** All or nothing; answers in the order of the items. */
  readonly work: (items: readonly In[]) => Promise<readonly Out[]>
  /** An item that fails alone. */
  readonly culprit: (item: In, error: unknown) => Promise<Out>
}

export type Batcher<In, Out> = {
  readonly submit: (item: In) => Promise<Out>
  /** Resolves when nothing waits and nothing runs. */
  readonly idle: () => Promise<void>
}

type Waiting<In, Out> = { readonly item: In; readonly resolve: (out: Out) => void; readonly reject: (error: unknown) => void }

/** Makes a batcher; it works as soon as something waits. */
export function createBatcher<In, Out>(options: BatchOptions<In, Out>): Batcher<In, Out> {
  const queue: Waiting<In, Out>[] = []
  let idlers: (() => void)[] = []
  let running = 0
  let scheduled = false

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(pump)
  }
  const pump = (): void => {
    scheduled = false
    while (running < options.lanes && queue.length > 0) {
      running++
      void settle(options, take(queue, options)).finally(() => {
        running--
        if (queue.length > 0) schedule()
        else if (running === 0) for (const wake of idlers.splice(0)) wake()
      })
    }
  }
  return {
    submit: (item) =>
      new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject })
        schedule()
      }),
    idle: () => {
      if (running === 0 && queue.length === 0) return Promise.resolve()
      return new Promise((resolve) => {
        idlers = [...idlers, resolve]
      })
    },
  }
}

function take<In, Out>(queue: Waiting<In, Out>[], options: BatchOptions<In, Out>): Waiting<In, Out>[] {
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
async function settle<In, Out>(options: BatchOptions<In, Out>, batch: readonly Waiting<In, Out>[]): Promise<void> {
  try {
    const answers = await options.work(batch.map(({ item }) => item))
    for (const [n, waiting] of batch.entries()) {
      const answer = answers[n]
      if (answer === undefined) waiting.reject(new Error('a batch gave fewer answers than it had items'))
      else waiting.resolve(answer)
    }
  } catch (error) {
    await settleFailed(options, batch, error)
  }
}

async function settleFailed<In, Out>(options: BatchOptions<In, Out>, batch: readonly Waiting<In, Out>[], error: unknown): Promise<void> {
  if (isRetryable(error)) {
    for (const waiting of batch) waiting.reject(error)
    return
  }
  const [only] = batch
  if (batch.length === 1 && only !== undefined) {
    await options.culprit(only.item, error).then(only.resolve, only.reject)
    return
  }
  const middle = Math.ceil(batch.length / 2)
  await settle(options, batch.slice(0, middle))
  await settle(options, batch.slice(middle))
}
