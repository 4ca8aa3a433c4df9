/**
 * late-result - what an attempt teaches the backoff keys that another node made, which held the lane group of the site when the attempt began
 *
 * The result counts as if the attempt had been dispatched here at its time: an episode that has changed its state since, or that probes, ignores it. The key of
 * the account is left out, because the other node has that key too and has counted the attempt there.
 *
 * Mutates the queue. See also: queue/backoff/feedback, store/queue/late-results, service/deliver/late-feedback.
 */
import type { AttemptResult, Dispatch, QueueEvent } from '../message.ts'
import type { QueueState } from '../queue-state.ts'
import { destinationKeys, egressKeys, type EgressRoute } from './backoff-key.ts'
import { applyForeignResultToKeys } from './feedback.ts'

export type LateResult = {
  readonly mailId: string
  readonly to: EgressRoute
  readonly result: AttemptResult
  /** When the attempt was marked in the store. */
  readonly dispatchedAt: number
}

/** What a provider said an hour ago is no news. */
const MAX_AGE_MS = 3_600_000

/** Passes a result to the keys of its route. Returns their transitions. A result that is older than an hour changes nothing. */
export function applyLateResult(queue: QueueState, { mailId, to, result, dispatchedAt }: LateResult, now: number): QueueEvent[] {
  if (now - dispatchedAt > MAX_AGE_MS) return []
  const number = dispatchNumberAt(queue, to, dispatchedAt)
  const dispatch: Dispatch = { ...to, number, mailId, attempt: 1, hasOtherIp: false, probe: false, at: dispatchedAt }
  return applyForeignResultToKeys({
    queue,
    attempt: { dispatch, keys: [], countedKeys: [], stream: '', lane: '' },
    result,
    previous: null,
    now,
  })
}

/** A dispatch number that is older than the episodes that the attempt is too old for. */
function dispatchNumberAt({ keyStates, sequence }: QueueState, to: EgressRoute, dispatchedAt: number): number {
  const episodes = [...destinationKeys(to), ...egressKeys(to, false)].flatMap((key) => [...(keyStates.get(key)?.episodes.values() ?? [])])
  const newer = episodes.filter(({ since, state }) => since >= dispatchedAt || state === 'probing')
  return Math.min(sequence + 1, ...newer.map(({ epoch }) => epoch))
}
