/**
 * loop-state - what the parts of the delivery loop share: the session, its queue's loader, and how events of the queue change the session
 *
 * See also: service/deliver/delivery-loop (the owner), service/deliver/groups/regrouping.
 */
import type { QueueEvent } from '../../queue/message.ts'
import type { Context } from '../context.ts'
import { applyQueueEvents, type DeliverySession } from './delivery-session.ts'
import type { GroupSpread } from './groups/group-spread.ts'
import type { KeyPersistence } from './key-persistence.ts'
import type { LaneSnapshots } from './lane-snapshots.ts'
import { reportTransitions } from './observe/queue-telemetry.ts'
import type { OnResolved, QueueLoader } from './queue-loader.ts'
import type { MailSender } from './sender.ts'

export type LoopOptions = {
  readonly context: Context
  readonly sender: MailSender
  readonly groupSpread: GroupSpread
  readonly createLoader: (onResolved: OnResolved) => QueueLoader
  readonly keyPersistence: KeyPersistence
  readonly laneSnapshots: LaneSnapshots
  /** Messages being sent at once. */
  readonly concurrencyLimit: number
  readonly giveUpDays: number
  /** How much faster than the clock the shaping of sites runs. */
  readonly shapingSpeed?: number
  /** The name of this node. */
  readonly node: string
  /** Called when there is something to do before the next tick is due. */
  readonly wake: () => void
}

export type LoopState = LoopOptions & { readonly session: DeliverySession; readonly loader: QueueLoader }

/** Handles every event that the queue returns. */
export function applyEvents({ context, session }: LoopState, events: readonly QueueEvent[]): void {
  reportTransitions(context.telemetry, applyQueueEvents(session, events))
}
