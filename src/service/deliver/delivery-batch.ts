/**
 * delivery-batch - what one tick writes: collected from the session, and split if it fails as a whole
 *
 * Pure. See also: service/deliver/delivery-loop, service/deliver/delivery-commit (the transaction).
 */
import type { HeldGroups } from '../../queue/lane-group.ts'
import type { Lease } from '../../store/engine/lease.ts'
import type { QueueCommandResult } from '../../store/queue/commands.ts'
import type { QueuedFeedback } from '../../store/queue/backoff-keys.ts'
import { markNameOf } from '../../store/queue/lane-groups.ts'
import type { LateResultRow } from '../../store/queue/late-results.ts'
import type { MovedMessage, QueuedMessageRef } from '../../store/queue/queued-mail.ts'
import { loadedGroupsOf } from './groups/held-groups.ts'
import type { SessionView } from './delivery-session.ts'
import type { KeyChanges } from './key-persistence.ts'
import type { MailUpdate, NotifiedTransition } from './mail-update.ts'
import { refsToCheckOf, type RefToCheck } from './send-time-check.ts'

export type DeliveryBatch = {
  readonly lease: Lease
  readonly updates: readonly MailUpdate[]
  readonly transitions: readonly NotifiedTransition[]
  readonly keyChanges: KeyChanges
  readonly commandResults: readonly QueueCommandResult[]
  readonly moves: readonly MovedMessage[]
  /** Rows from which the queue has learnt, to remove. */
  readonly lateReports: readonly QueuedFeedback[]
  readonly lateResults: readonly LateResultRow[]
  /** The groups that the node holds, and those whose new messages it claims. */
  readonly groups: HeldGroups
  readonly groupsToClaim: HeldGroups
  /** Attempts to mark before they begin. */
  readonly refsToMark: readonly QueuedMessageRef[]
  /** Those of them whose recipients the lists may refuse by now. */
  readonly refsToCheck: readonly RefToCheck[]
  /** The time of the marks, and the name in them. */
  readonly dispatchedAt: number
  readonly markedBy: string
  /** How many new messages to claim; 0: none. */
  readonly maxNewMessages: number
  /** The queue's lifetime of a message. */
  readonly giveUpDays: number
}

/** Bounds of one transaction: a longer one would block every other writer. */
const MAX_NEW_MESSAGES = 1_000
const MAX_ENDED_UPDATES = 500

const NO_KEY_CHANGES: KeyChanges = { rows: [], removed: [] }

/** Collects what the next transaction writes. */
export function collectBatch(
  session: SessionView,
  { keyChanges, giveUpDays, now }: Pick<DeliveryBatch, 'keyChanges' | 'giveUpDays'> & { readonly now: number },
): DeliveryBatch {
  const groupsToClaim = loadedGroupsOf(session)
  return {
    lease: session.lease,
    updates: [...session.updates, ...session.endedUpdates.slice(0, MAX_ENDED_UPDATES)],
    transitions: [...session.transitions],
    keyChanges,
    // A command is done when all of its effect is stored.
    commandResults: session.endedUpdates.length > MAX_ENDED_UPDATES ? [] : [...session.commandResults],
    moves: session.moves.map((move) => ({ ...move, isFresh: move.isFresh || !session.groups.has(move.to) })),
    lateReports: [...session.lateReports],
    lateResults: [...session.lateResults],
    groups: session.groups,
    groupsToClaim,
    refsToMark: session.awaitingMark.map(({ ref }) => ref),
    refsToCheck: refsToCheckOf(session),
    dispatchedAt: now,
    markedBy: markNameOf(session.lease),
    maxNewMessages: groupsToClaim.size > 0 && session.hasNewMessages && !session.isEnding ? MAX_NEW_MESSAGES : 0,
    giveUpDays,
  }
}

/** A batch that changes nothing but backoff keys. */
export const keyChangesBatch = (lease: Lease, keyChanges: KeyChanges, groups: HeldGroups): DeliveryBatch => ({
  lease,
  updates: [],
  transitions: [],
  keyChanges,
  commandResults: [],
  moves: [],
  lateReports: [],
  lateResults: [],
  groups,
  groupsToClaim: groups,
  refsToMark: [],
  refsToCheck: [],
  dispatchedAt: 0,
  markedBy: '',
  maxNewMessages: 0,
  giveUpDays: 0,
})

export const isEmptyKeyChanges = ({ rows, removed }: KeyChanges): boolean => rows.length + removed.length === 0

/** Whether the transaction would change nothing. */
export const isEmptyBatch = (batch: DeliveryBatch): boolean =>
  [batch.updates, batch.transitions, batch.commandResults, batch.moves, batch.lateReports, batch.lateResults, batch.refsToMark].every(
    ({ length }) => length === 0,
  ) &&
  isEmptyKeyChanges(batch.keyChanges) &&
  batch.maxNewMessages === 0

/**
 * What a node may write that has lost the lease: the replies to its own attempts, which nobody else knows. That a message ended without an attempt, or was
 * given up after one, is for the new holder of the lease to decide.
 */
export const outcomesOnly = (batch: DeliveryBatch): DeliveryBatch => ({
  ...keyChangesBatch(batch.lease, NO_KEY_CHANGES, new Set()),
  updates: batch.updates.flatMap((update) => {
    if (update.kind === 'ended') return []
    return update.kind === 'attempted' && update.end === 'given-up' ? [{ ...update, end: null }] : [update]
  }),
})

/** The updates, the transitions and the commands of a batch, each message and each transition in a batch of its own. Marks and claims are left out. */
export function splitBatch(batch: DeliveryBatch): readonly DeliveryBatch[] {
  const emptyBatch: DeliveryBatch = { ...keyChangesBatch(batch.lease, NO_KEY_CHANGES, batch.groups), giveUpDays: batch.giveUpDays }
  return [
    ...batch.updates.map((update) => ({ ...emptyBatch, updates: [update] })),
    ...batch.transitions.map((transition) => ({ ...emptyBatch, transitions: [transition] })),
    {
      ...emptyBatch,
      commandResults: batch.commandResults,
      moves: batch.moves,
      lateReports: batch.lateReports,
      lateResults: batch.lateResults,
    },
  ]
}
