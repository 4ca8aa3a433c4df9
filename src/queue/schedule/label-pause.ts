/**
 * label-pause - manual pauses of the messages with one label, at one domain or at all
 *
 * Most messages of a lane share a stream whatever their labels. When a person pauses a label, its messages move to streams of their own, which its keys cover
 * too; messages that come later join them, as long as the key is known. Mutates the queue.
 *
 * See also: queue/schedule/lane (chooses the stream), queue/schedule/operator-commands, queue/snapshot, queue/schedule/expiry.
 */
import { type BackoffKeyId, parseKey } from '../backoff/backoff-key.ts'
import type { KeyState, Lane, ManualPause, QueueState } from '../queue-state.ts'
import { idsOf } from '../id-set.ts'
import { moveToItsStream } from './reroute.ts'

/** A label that is paused in a lane. `waiting`: its messages there. */
export type PausedLabel = { readonly label: number; readonly key: BackoffKeyId; readonly until: number; readonly waiting: number }

/** Sets or ends the manual pause of a key. */
export function setManualPause(queue: QueueState, keyState: KeyState, pause: ManualPause | null): void {
  const { id, key } = keyState
  keyState.manualPause = pause
  if (key?.kind !== 'manual' || key.label === null) return
  if (pause === null) queue.labelPauses.delete(id)
  else queue.labelPauses.add(id)
  if (pause === null) return
  for (const entry of queue.entries.values()) {
    const { account, domain, label } = entry.message
    const isCovered = account === key.account && label === key.label && (key.domain === null || domain === key.domain)
    if (isCovered && entry.state !== 'in-flight') moveToItsStream(queue, entry)
  }
}

/** The paused labels of a lane. A pause at all domains counts where its messages wait. */
export function pausedLabelsOf(queue: QueueState, lane: Lane): PausedLabel[] {
  return [...queue.labelPauses].flatMap((id) => {
    const key = parseKey(id)
    if (key?.kind !== 'manual' || key.label === null || key.account !== lane.account) return []
    if (key.domain !== null && key.domain !== lane.domain) return []
    const { label } = key
    const until = queue.keyStates.get(id)?.manualPause?.until ?? 0
    const waiting = [...idsOf(lane.streams)].reduce((sum, stream) => {
      const known = queue.streams.get(stream)
      return known?.label === label ? sum + known.waiting : sum
    }, 0)
    return key.domain === null && waiting === 0 ? [] : [{ label, key: id, until, waiting }]
  })
}

/** Whether a person paused a label at this lane's domain, so that the lane stays visible. */
export const hasOwnLabelPause = (queue: QueueState, { account, domain }: Lane): boolean =>
  [...queue.labelPauses].some((id) => {
    const key = parseKey(id)
    return key?.kind === 'manual' && key.account === account && key.domain === domain
  })
