/**
 * queue-loader - reads queued messages from the store and resolves the destination of each
 *
 * Loads page by page; the event loop serves other work between two pages. A message is ready when its domain has been looked up, so a slow domain
 * delays only its own messages. Destinations are not kept here, because DNS changes. Strings that many messages share are one string in memory. A message
 * that was marked when its node died may or may not have been accepted: its attempt is counted and recorded, and the message is sent again. A node that fell
 * silent may only be frozen or cut off from the store, and reports the outcome when it returns. It gets time for that, before its messages are loaded. A process
 * that begins again under the name of its node knows that the attempts of that node have ended, and waits for nobody.
 *
 * Belongs to one session, which it does not know. See also: store/queue/queued-mail, net/mx (destinations), service/deliver/delivery-loop.
 */
import { setImmediate } from 'node:timers/promises'
import { readUncertainAttempt } from '../../ledger/decide/attempt-reading.ts'
import type { HeldGroups } from '../../queue/lane-group.ts'
import type { QueueMessage } from '../../queue/message.ts'
import type { ResolvedDestination } from '../../queue/schedule/reroute.ts'
import {
  findQueuedMessagesForOperator,
  listQueuedMessagesForOperator,
  type QueueCursor,
  type QueuedMessageSummary,
} from '../../store/queue/queued-mail.ts'
import { nodeOfMark, readGroupHoldersForOperator } from '../../store/queue/lane-groups.ts'
import type { Context } from '../context.ts'
import { mailRefOf, type MailUpdate } from './mail-update.ts'

/** Looks up a domain. Never rejects. It caches answers for as long as they are valid, since it is called for every attempt. */
export type ResolveDestination = (domain: string) => Promise<ResolvedDestination>

export type QueueLoader = {
  /** Reads all messages behind the cursor, page by page, and adds them. Faults: store_busy. */
  readonly load: (options: LoadOptions) => Promise<void>
  /** Resolves messages that were just read. Returns the updates of those whose last attempt has an unknown outcome. */
  readonly add: (mails: readonly QueuedMessageSummary[]) => readonly MailUpdate[]
  /** Adds the messages of other nodes whose time to report the outcome is over, and returns their updates. Faults: store_busy. */
  readonly recheck: (held: HeldGroups) => Promise<readonly MailUpdate[]>
}

type LoadOptions = {
  readonly groups: HeldGroups
  readonly cursor: QueueCursor | null
  readonly isStopped: () => boolean
  /** Called after each page, with the updates of `add`. */
  readonly onPage: (cursor: QueueCursor | null, updates: readonly MailUpdate[]) => void
}

/** A message, and the group of its row. */
export type ResolvedMessage = { readonly message: QueueMessage; readonly laneGroup: number }

/** Called with all messages of a domain that were waiting for its look-up. */
export type OnResolved = (messages: readonly ResolvedMessage[]) => void

/** Rows of a page: a few milliseconds of this thread. */
const PAGE_ROWS = 500

/** Domains that are looked up at once. */
const MAX_LOOK_UPS = 64

/** More strings than the domains of any campaign. */
const MAX_INTERNED_STRINGS = 100_000

type LoaderOptions = {
  readonly resolveDestination: ResolveDestination
  readonly onResolved: OnResolved
  /** How long the node that marked a message has time to report the outcome. */
  readonly uncertainMs: number
  /** A process of a node that has ended before `at`, so that nobody will report the outcomes of its attempts; null: none. */
  readonly ended: { readonly node: string; readonly at: number } | null
  /** The longest delay after an attempt. A due time further ahead was written while the clock was wrong. */
  readonly longestDelayMs: number
  /** Whether a message is in the queue of this node: its own attempts are no mystery. */
  readonly isQueued: (deliveryId: string) => boolean
}

/** A message that another node has marked, and when it is sent again, on the clock for intervals. */
type AwaitedMessage = { readonly mail: QueuedMessageSummary; readonly until: number }

type LoaderState = LoaderOptions & {
  readonly context: Context
  /** Ordered by time. */
  awaited: AwaitedMessage[]
  /** The store gives a new string with each row. */
  readonly internedStrings: Map<string, string>
  /** Messages of domains that are being looked up. */
  readonly pendingByDomain: Map<string, QueuedMessageSummary[]>
  readonly lookUpQueue: string[]
  activeLookUps: number
}

/** Creates a loader. */
export function createQueueLoader(context: Context, options: LoaderOptions): QueueLoader {
  const state: LoaderState = {
    ...options,
    context,
    awaited: [],
    internedStrings: new Map(),
    pendingByDomain: new Map(),
    lookUpQueue: [],
    activeLookUps: 0,
  }
  return {
    load: (loadOptions) => loadQueued(state, loadOptions),
    add: (mails) => addMails(state, mails),
    recheck: (held) => recheckAwaited(state, held),
  }
}

async function loadQueued(state: LoaderState, { groups, cursor: start, isStopped, onPage }: LoadOptions): Promise<void> {
  const { engine, telemetry } = state.context
  let cursor = start
  let uncertainCount = 0
  const awaitedBefore = state.awaited.length
  while (!isStopped()) {
    const page = await listQueuedMessagesForOperator(engine.read, { groups, after: cursor, limit: PAGE_ROWS })
    const updates = addMails(state, page)
    uncertainCount += updates.length
    cursor = page.at(-1) ?? cursor
    onPage(cursor, updates)
    if (page.length < PAGE_ROWS) break
    await setImmediate()
  }
  if (uncertainCount > 0) telemetry.log.warn({ mails: uncertainCount }, UNCERTAIN_TEXT)
  const awaitedCount = state.awaited.length - awaitedBefore
  if (awaitedCount > 0) telemetry.log.warn({ mails: awaitedCount, waitSeconds: state.uncertainMs / 1_000 }, AWAITED_TEXT)
}

const UNCERTAIN_TEXT = 'messages were being sent when their node ended; it is unknown whether they were accepted, and they are sent again'
const AWAITED_TEXT = 'messages were being sent when their node fell silent; it has time to report the outcomes before they are sent again'

/** Messages that are read again in one tick. */
const RECHECKED_PER_TICK = 500

/** Reads messages again whose time is over. One that is still marked is uncertain now; the node may also have requeued it, or removed it. */
async function recheckAwaited(state: LoaderState, held: HeldGroups): Promise<readonly MailUpdate[]> {
  const { engine, telemetry, now, elapsed } = state.context
  const at = elapsed()
  state.awaited = state.awaited.filter(({ mail }) => held.has(mail.laneGroup))
  const due = state.awaited.filter(({ until }) => until <= at).slice(0, RECHECKED_PER_TICK)
  if (due.length === 0) return []
  const refs = due.map(({ mail }) => mailRefOf(mail.account, mail.deliveryId))
  const [found, { liveMarks }] = await Promise.all([
    findQueuedMessagesForOperator(engine.read, refs),
    readGroupHoldersForOperator(engine.read, now()),
  ])
  state.awaited = state.awaited.filter((each) => !due.includes(each))
  const markOf = new Map(due.map(({ mail }) => [mail.deliveryId, mail.dispatchedAt]))
  const marked = found.filter(
    ({ deliveryId, dispatchedAt }) => dispatchedAt !== null && dispatchedAt === markOf.get(deliveryId) && !state.isQueued(deliveryId),
  )
  // A node that gave the group away goes on with its attempts, however long they take.
  const isSending = ({ markedBy }: QueuedMessageSummary): boolean => markedBy !== null && liveMarks.includes(markedBy)
  for (const mail of marked) if (isSending(mail)) state.awaited.push({ mail, until: at + state.uncertainMs })
  const updates = addUncertain(
    state,
    marked.filter((mail) => !isSending(mail)),
  )
  for (const mail of found) if (mail.dispatchedAt === null) requestLookUp(state, mail)
  if (updates.length > 0) telemetry.log.warn({ mails: updates.length }, UNCERTAIN_TEXT)
  return updates
}

/** Requests the look-ups of messages, but for those whose outcome another node may still report. */
function addMails(state: LoaderState, mails: readonly QueuedMessageSummary[]): readonly MailUpdate[] {
  const until = state.context.elapsed() + state.uncertainMs
  const uncertain: QueuedMessageSummary[] = []
  for (const mail of mails) {
    if (mail.dispatchedAt === null) requestLookUp(state, mail)
    else if (isAttemptOver(state, mail, mail.dispatchedAt)) uncertain.push(mail)
    else if (!state.isQueued(mail.deliveryId)) state.awaited.push({ mail, until })
  }
  return addUncertain(state, uncertain)
}

/** Whether nobody will report the outcome of an attempt. */
const isAttemptOver = ({ ended }: LoaderState, { markedBy }: QueuedMessageSummary, dispatchedAt: number): boolean =>
  markedBy === null || (ended !== null && nodeOfMark(markedBy) === ended.node && dispatchedAt < ended.at)

/** Requests the look-ups of marked messages, and returns the updates that record their attempts as unknown. */
function addUncertain(state: LoaderState, mails: readonly QueuedMessageSummary[]): readonly MailUpdate[] {
  const updates: MailUpdate[] = []
  for (const mail of mails) {
    const { dispatchedAt } = mail
    if (dispatchedAt === null) continue
    const attempts = mail.attempts + 1
    updates.push(uncertainUpdate(state.context, mail, { attempts, dispatchedAt }))
    requestLookUp(state, { ...mail, attempts, dispatchedAt: null })
  }
  if (updates.length > 0) state.context.telemetry.count('bounced_queue_uncertain_total', {}, updates.length)
  return updates
}

/** The attempt has a number and an entry in the timeline. */
function uncertainUpdate(
  { rules, now }: Context,
  { account, deliveryId, domain, dueAt, refusedBy }: QueuedMessageSummary,
  { attempts, dispatchedAt }: { readonly attempts: number; readonly dispatchedAt: number },
): MailUpdate {
  const attemptReading = readUncertainAttempt({ attempt: attempts, domain }, rules())
  const retry = { dueAt, attempts, refusedBy }
  return {
    kind: 'attempted',
    ref: mailRefOf(account, deliveryId),
    attemptReading,
    at: now(),
    dispatchedAt,
    end: null,
    retry,
    feedback: null,
  }
}

function requestLookUp(state: LoaderState, mail: QueuedMessageSummary): void {
  const pendingMails = state.pendingByDomain.get(mail.domain)
  if (pendingMails !== undefined) {
    pendingMails.push(mail)
    return
  }
  state.pendingByDomain.set(mail.domain, [mail])
  state.lookUpQueue.push(mail.domain)
  startLookUps(state)
}

function startLookUps(state: LoaderState): void {
  while (state.activeLookUps < MAX_LOOK_UPS) {
    const domain = state.lookUpQueue.shift()
    if (domain === undefined) return
    state.activeLookUps += 1
    void state.resolveDestination(domain).then((destination) => {
      state.activeLookUps -= 1
      const mails = state.pendingByDomain.get(domain) ?? []
      state.pendingByDomain.delete(domain)
      state.onResolved(mails.map((mail) => ({ message: toQueueMessage(state, mail, destination), laneGroup: mail.laneGroup })))
      startLookUps(state)
    })
  }
}

function toQueueMessage(
  { internedStrings, longestDelayMs, context }: LoaderState,
  mail: QueuedMessageSummary,
  destination: ResolvedDestination,
): QueueMessage {
  const { deliveryId: id, account, acceptedAt, requestedAt, attempts, refusedBy } = mail
  // The sender has named a send time: it depends on no clock of ours.
  const isScheduled = requestedAt !== null && attempts === 0
  const dueAt = isScheduled ? mail.dueAt : Math.min(mail.dueAt, context.now() + longestDelayMs)
  const [domain, senderDomain] = [intern(internedStrings, mail.domain), intern(internedStrings, mail.senderDomain)]
  const { site, gateway, mxSet } = destination
  const message = { id, account, domain, senderDomain, site, gateway, mxSet, acceptedAt, attempts, dueAt }
  const named = mail.labelName === null ? message : { ...message, labelName: intern(internedStrings, mail.labelName) }
  const labelled = mail.labelId === null ? named : { ...named, label: mail.labelId }
  const timed = requestedAt === null ? labelled : { ...labelled, requestedAt }
  const classed = mail.isBatch ? { ...timed, isBatch: true as const } : timed
  return refusedBy.length === 0 ? classed : { ...classed, refusedBy }
}

function intern(internedStrings: Map<string, string>, text: string): string {
  const interned = internedStrings.get(text)
  if (interned !== undefined) return interned
  if (internedStrings.size >= MAX_INTERNED_STRINGS) internedStrings.clear()
  internedStrings.set(text, text)
  return text
}
