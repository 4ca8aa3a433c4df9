/**
 * engagement-recorder - records opens and clicks, many in one transaction
 *
 * `record` returns at once: a bounded queue waits for the commit, and a store that does not answer delays it. With `durable` it resolves
 * after the commit. Requests that arrive while a batch is being committed form the next batch; accounts take turns in it. Requests for one
 * mail by one client within a few seconds are one fact, and a mail has a bounded number of facts, whoever asks for its image how often.
 *
 * See also: service/track/commit-engagement (the transaction), ledger/decide/engagement (the facts), http/tracking (the requests).
 */
import { Fault, isRetryable } from '../../errors.ts'
import { createBatcher } from '../batcher.ts'
import type { Context } from '../context.ts'
import { commitEngagement } from './commit-engagement.ts'
import type { EngagementRequest, EngagementService } from './engagement-service.ts'

/** What the daemon ends. */
export type EngagementRecorder = EngagementService & {
  /** Resolves when all that was recorded is committed, or has failed. */
  readonly waitUntilIdle: () => Promise<void>
}

type EngagementOptions = {
  /** `record` resolves after the commit. */
  readonly durable: boolean
  /** Requests that may wait. */
  readonly waiting: number
}

/** A batch of this size takes some 100 ms to commit. */
const MAX_BATCH = 500
/** Without a limit on bytes: a request has a bounded size. */
const NO_BYTES = new Uint8Array()

/** Creates the recorder. */
export function createEngagementRecorder(context: Context, { durable, waiting }: EngagementOptions): EngagementRecorder {
  let pending = 0
  const batcher = createBatcher<EngagementRequest, true>({
    maxItems: MAX_BATCH,
    maxBytes: Infinity,
    bytesOf: () => NO_BYTES,
    accountOf: ({ account }) => account,
    maxConcurrent: 1,
    processBatch: async (requests) => {
      await commitEngagement(context, requests)
      return requests.map(() => true as const)
    },
    handleFailedItem: (request, error) => {
      context.telemetry.log.error({ err: error, deliveryId: request.deliveryId, kind: request.kind }, 'an open or a click was not recorded')
      return Promise.resolve(true)
    },
  })
  const submit = async (request: EngagementRequest): Promise<void> => {
    pending++
    try {
      await batcher.submit(request)
    } finally {
      pending--
    }
  }
  return {
    record: async (request) => {
      if (pending >= waiting) {
        context.telemetry.count('bounced_engagement_dropped_total', { cause: 'waiting' })
        if (durable) throw new Fault('overloaded', `tracking.waiting: ${waiting} opens and clicks wait for their commit`)
        return
      }
      if (durable) return submit(request)
      void submit(request).catch((error: unknown) => countLost(context, error))
    },
    waitUntilIdle: batcher.waitUntilIdle,
  }
}

function countLost({ telemetry }: Context, error: unknown): void {
  telemetry.count('bounced_engagement_dropped_total', { cause: 'store' })
  telemetry.log[isRetryable(error) ? 'debug' : 'error']({ err: error }, 'an open or a click was not recorded')
}
