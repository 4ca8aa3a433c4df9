/**
 * engagement-recorder - records opens and clicks, many in one transaction
 *
 * `record` returns at once: a bounded queue waits for the commit, and while the store does not answer, its requests are tried again. With
 * `durable` it resolves after the commit. Requests that arrive while a batch is being committed form the next batch; accounts take turns in it.
 *
 * One client that asks for the same thing of one mail again within a few seconds makes one fact, on any node and after any restart; within
 * this process such a request does not even wait in the queue. ledger/decide/engagement bounds the facts of a mail.
 *
 * See also: service/track/commit-engagement (the transaction), http/tracking/engagement (the requests).
 */
import { setTimeout as wait } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../../net/cache-bound.ts'
import { Fault, isRetryable } from '../../errors.ts'
import type { PlaceLookup } from '../../net/place-database.ts'
import { createBatcher } from '../batcher.ts'
import type { Context } from '../context.ts'
import { createAgentReader } from './agent-reader.ts'
import { createClickBursts } from './click-bursts.ts'
import { commitEngagement } from './commit-engagement.ts'
import type { EngagementService, IdentifiedRequest } from './engagement-service.ts'
import { actOf } from './request-id.ts'

/** What the daemon ends. */
export type EngagementRecorder = EngagementService & {
  /** Resolves when all that was recorded is committed, or has failed. What fails from now on is not tried again. */
  readonly close: () => Promise<void>
}

type EngagementOptions = {
  /** `record` resolves after the commit. */
  readonly durable: boolean
  /** Requests that may wait. */
  readonly waiting: number
  readonly places: PlaceLookup
}

/** Its rows are encoded in one go, for some 10 ms; an image or a redirect waits for no more than that. */
const MAX_BATCH = 200
/** Without a limit on bytes: a request has a bounded size. */
const NO_BYTES = new Uint8Array()
/** Requests whose repeats are recognised at once: those of some seconds at the most that a node records. */
const MAX_KNOWN_REQUESTS = 50_000
/** While the store does not answer. */
const RETRY_MS = 1_000

/** Creates the recorder. */
export function createEngagementRecorder(context: Context, { durable, waiting, places }: EngagementOptions): EngagementRecorder {
  const closing = new AbortController()
  const submit = createCommitter(context, places)
  const queue = createQueue(context, durable ? submit : withRetries(submit, closing.signal))
  const isFull = (): boolean => {
    if (queue.inFlight.size < waiting) return false
    context.telemetry.count('bounced_engagement_dropped_total', { cause: 'waiting' })
    if (durable) throw new Fault('overloaded', `tracking.waiting: ${waiting} opens and clicks wait for their commit`)
    return true
  }
  return {
    record: async (request) => {
      const act = actOf(request)
      const repeated = queue.known.get(act)
      if (repeated === undefined && isFull()) return
      const committed = repeated ?? queue.add({ ...request, act })
      if (durable) await committed
    },
    close: async () => {
      closing.abort()
      await Promise.allSettled(queue.inFlight)
    },
  }
}

type Queue = {
  /** The commits of the last acts, those that are done included. */
  readonly known: LRUCache<string, Promise<void>>
  readonly inFlight: ReadonlySet<Promise<void>>
  readonly add: (request: IdentifiedRequest) => Promise<void>
}

function createQueue(context: Context, commit: Commit): Queue {
  const known = new LRUCache<string, Promise<void>>(upToEntries(MAX_KNOWN_REQUESTS))
  const inFlight = new Set<Promise<void>>()
  const add = (request: IdentifiedRequest): Promise<void> => {
    const committed = commit(request)
    inFlight.add(committed)
    known.set(request.act, committed)
    void committed.then(
      () => inFlight.delete(committed),
      (error: unknown) => {
        inFlight.delete(committed)
        // What was not stored is recorded when it is asked for again.
        known.delete(request.act)
        countLost(context, error)
      },
    )
    return committed
  }
  return { known, inFlight, add }
}

type Commit = (request: IdentifiedRequest) => Promise<void>

/** Commits in batches. */
function createCommitter(context: Context, places: PlaceLookup): Commit {
  const tools = { places, bursts: createClickBursts(), readAgent: createAgentReader(), maybeCounted: new WeakSet<IdentifiedRequest>() }
  const batcher = createBatcher<IdentifiedRequest, true>({
    maxItems: MAX_BATCH,
    maxBytes: Infinity,
    bytesOf: () => NO_BYTES,
    accountOf: ({ account }) => account,
    maxConcurrent: 1,
    processBatch: async (requests) => {
      await commitEngagement(context, tools, requests)
      return requests.map(() => true as const)
    },
    // A stranger's request that our code cannot take is no fault of the store, and trying again would not mend it.
    handleFailedItem: ({ deliveryId, kind }, error) => {
      context.telemetry.log.error({ err: error, deliveryId, kind }, 'an open or a click was not recorded')
      return Promise.resolve(true)
    },
  })
  return async (request) => {
    await batcher.submit(request)
  }
}

/** Tries again while the store does not answer, until `closing`. All that wait share one timer. */
function withRetries(commit: Commit, closing: AbortSignal): Commit {
  let resting: Promise<void> | null = null
  const rest = (): Promise<void> =>
    (resting ??= wait(RETRY_MS, undefined, { signal: closing })
      .catch(() => undefined)
      .finally(() => {
        resting = null
      }))
  return async (request) => {
    for (;;) {
      try {
        return await commit(request)
      } catch (error) {
        if (!isRetryable(error) || closing.aborted) throw error
        await rest()
      }
    }
  }
}

function countLost({ telemetry }: Context, error: unknown): void {
  telemetry.count('bounced_engagement_dropped_total', { cause: 'store' })
  telemetry.log[isRetryable(error) ? 'debug' : 'error']({ err: error }, 'an open or a click was not recorded')
}
