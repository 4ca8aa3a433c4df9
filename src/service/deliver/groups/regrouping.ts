/**
 * regrouping - how messages and backoff keys follow their lane group: from the store into memory, from group to group, and out of memory
 *
 * A message is in the memory of the node that holds its group. The group of its row is a hash of its domain, until a look-up of the MX hosts finds a site of another
 * group: the row moves before any attempt is marked, and a mark is written only in a group that the node holds (store/queue/queued-mail). If a node gives a group
 * away, its attempts in flight go on and it commits their outcomes; the next holder loads everything else at once.
 *
 * A part of the delivery loop, which owns the session. See also: service/deliver/groups/group-spread, queue/schedule/release-groups.
 */
import { laneGroupOf, WIDE_KEYS_GROUP } from '../../../queue/lane-group.ts'
import { enqueue } from '../../../queue/queue.ts'
import { releaseGroups } from '../../../queue/schedule/release-groups.ts'
import { rerouteMessage, type ResolvedDestination } from '../../../queue/schedule/reroute.ts'
import { withdrawMessage } from '../../../queue/schedule/withdraw.ts'
import { commitKeyChanges } from '../delivery-commit.ts'
import { addMove, setGroups, type PendingAttempt } from '../delivery-session.ts'
import { applyEvents, type LoopState } from '../loop-state.ts'
import { mailRefOf } from '../mail-update.ts'
import type { ResolvedMessage } from '../queue-loader.ts'

/** Loads the messages of the groups that are not in memory yet. Faults: store_busy; the next call continues. */
export async function loadQueue({ session, loader, wake }: LoopState): Promise<void> {
  const { groups, cursor: start } = (session.loading ??= { groups: new Set(session.groupsToLoad), cursor: null })
  await loader.load({
    groups,
    cursor: start,
    isStopped: () => session.isEnding,
    onPage: (cursor, updates) => {
      session.loading = { groups, cursor }
      session.updates.push(...updates)
      wake()
    },
  })
  session.loading = null
  for (const group of groups) session.groupsToLoad.delete(group)
  wake()
}

/** Adds messages. One whose site is in another group than its row moves there, and stays here only if this node holds that group too. */
export function enqueueResolved({ context, session, wake }: LoopState, messages: readonly ResolvedMessage[]): void {
  if (session.isEnding) return
  for (const { message, laneGroup } of messages) {
    const group = laneGroupOf(message.site)
    if (!session.groups.has(laneGroup)) continue
    const isOurs = session.groups.has(group)
    if (group !== laneGroup) addMove(session, mailRefOf(message.account, message.id), { from: laneGroup, to: group })
    if (isOurs) enqueue(session.queue, message, context.now())
  }
  wake()
}

/** After an attempt, a message moves to the present site of its domain, and leaves this node if another one holds that group, or its own group by now. */
export function rehome(loop: LoopState, { dispatch, ref }: PendingAttempt, destination: ResolvedDestination | null): void {
  const { context, session } = loop
  if (!session.queue.entries.has(dispatch.mailId)) return
  const from = laneGroupOf(dispatch.site)
  const to = destination === null ? from : laneGroupOf(destination.site)
  if (destination !== null) applyEvents(loop, rerouteMessage(session.queue, dispatch.mailId, destination, context.now()))
  if (to !== from && session.groups.has(from)) addMove(session, ref, { from, to })
  if (!session.groups.has(from) || !session.groups.has(to))
    applyEvents(loop, withdrawMessage(session.queue, dispatch.mailId, context.now()))
}

/**
 * Acquires or releases lane groups once all that concerns them is in the store. Returns whether the node holds others now; marked attempts may have been recalled.
 * If the store has not answered an earlier call, other nodes may hold the groups that it released: then it asks at once.
 */
export async function regroup(loop: LoopState): Promise<boolean> {
  const { context, session, keyPersistence, groupSpread } = loop
  const { lease, queue, groups: before } = session
  // The next holder must find both. Outcomes of attempts are fenced by their marks, and may follow later.
  const unwritten = [session.endedUpdates, session.transitions, session.lateReports, session.lateResults]
  const isUnwritten = unwritten.some(({ length }) => length > 0)
  if (session.isEnding) return false
  if (!session.isSpreadUnanswered && (isUnwritten || !(await groupSpread.isDue(before)))) return false
  await commitKeyChanges(context, session, keyPersistence)
  session.isSpreadUnanswered = true
  const held = await groupSpread.spread(lease)
  session.isSpreadUnanswered = false
  const acquired = new Set([...held].filter((group) => !before.has(group)))
  setGroups(session, held)
  keyPersistence.release(held)
  applyEvents(loop, releaseGroups(queue, held, context.now()))
  if (acquired.size > 0) {
    const isWideKeysWriter = before.has(WIDE_KEYS_GROUP)
    await keyPersistence.restore(context.engine.read, queue, { groups: acquired, isWideKeysWriter, now: context.now() })
  }
  context.telemetry.log.info({ groups: held.size, before: before.size }, 'lane groups of this node changed')
  loop.wake()
  return true
}
