/**
 * queue-loader - mail from the store into the queue, with the destination that DNS gives it
 *
 * A million mails come page by page, and between two pages everybody else has his turn. A mail is offered when its domain is known; a slow
 * domain keeps nobody waiting but its own mail, and what DNS says is not kept here: it changes. What many mails share (domains, sites, hosts) is one string in memory. A mail that was
 * marked when its node died is one of which nobody knows whether it was accepted: it is counted, written down, and sent again.
 *
 * See also: store/queue/queued-mail, net/mx (destinations), queue/queue (offer), service/deliver/deliverer.
 */
import { setImmediate } from 'node:timers/promises'
import type { ResolvedDestination } from '../../queue/schedule/reroute.ts'
import { enqueue } from '../../queue/queue.ts'
import { listQueuedMessagesForOperator, type QueuedMessageSummary } from '../../store/queue/queued-mail.ts'
import { readUncertainAttempt } from '../../ledger/decide/attempt-reading.ts'
import type { Context } from '../context.ts'
import { mailRefOf, type DeliverySession } from './delivery-session.ts'

/** Never rejects, and keeps what it knows for as long as it may stand: it is asked again and again. */
export type ResolveDestination = (domain: string) => Promise<ResolvedDestination>

export type QueueLoader = {
  /** Loads all that waits, or goes on where it was cut off. Faults: store_busy. */
  readonly load: (session: DeliverySession) => Promise<void>
  /** Takes in mails that were just read. */
  readonly add: (session: DeliverySession, mails: readonly QueuedMessageSummary[]) => void
}

type QueueLoaderOptions = { readonly resolveDestination: ResolveDestination; readonly wake: () => void }

/** Rows of one page: a few milliseconds of this thread. */
const PAGE_ROWS = 500

/** Domains that are looked up at once. */
const MAX_LOOK_UPS = 64

/** What is kept of names: a campaign has fewer domains. */
const MAX_INTERNED_STRINGS = 100_000

type LoaderState = QueueLoaderOptions & {
  readonly context: Context
  /** One string of each text: the store gives a new one with each row. */
  readonly internedStrings: Map<string, string>
  /** Mail of domains that are being looked up, and whose they are. */
  readonly pendingByDomain: Map<string, { readonly session: DeliverySession; readonly mails: QueuedMessageSummary[] }>
  readonly lookUpQueue: string[]
  activeLookUps: number
}

/** Makes a loader; it serves one term after the other. */
export function createQueueLoader(context: Context, options: QueueLoaderOptions): QueueLoader {
  const state: LoaderState = {
    ...options,
    context,
    internedStrings: new Map(),
    pendingByDomain: new Map(),
    lookUpQueue: [],
    activeLookUps: 0,
  }
  const add = (session: DeliverySession, mails: readonly QueuedMessageSummary[]): void => {
    for (const mail of mails) addMail(state, session, mail)
    state.wake()
  }
  return { add, load: (session) => loadQueued(state, session, add) }
}

async function loadQueued({ context, wake }: LoaderState, session: DeliverySession, add: QueueLoader['add']): Promise<void> {
  let uncertain = 0
  while (!session.isEnding) {
    const page = await listQueuedMessagesForOperator(context.engine.read, session.loadCursor, PAGE_ROWS)
    uncertain += page.filter(({ dispatchedAt }) => dispatchedAt !== null).length
    add(session, page)
    session.loadCursor = page.at(-1) ?? session.loadCursor
    if (page.length < PAGE_ROWS) break
    await setImmediate()
  }
  session.isLoaded = true
  if (uncertain > 0) {
    context.telemetry.count('bounced_queue_uncertain_total', {}, uncertain)
    const text = 'mails were being sent when their node ended: nobody knows whether they were accepted; they are sent again'
    context.telemetry.log.warn({ mails: uncertain }, text)
  }
  wake()
}

function addMail(state: LoaderState, session: DeliverySession, mail: QueuedMessageSummary): void {
  const loaded = mail.dispatchedAt === null ? mail : recordUncertain(state.context, session, mail, mail.dispatchedAt)
  const pendingMails = state.pendingByDomain.get(mail.domain)
  if (pendingMails?.session === session) pendingMails.mails.push(loaded)
  else requestLookUp(state, session, loaded)
}

/** Its attempt has a number, and stands in the timeline. */
function recordUncertain(
  { rules, now }: Context,
  session: DeliverySession,
  mail: QueuedMessageSummary,
  dispatchedAt: number,
): QueuedMessageSummary {
  const attempts = mail.attempts + 1
  const retry = { dueAt: mail.dueAt, attempts, refusedBy: mail.refusedBy }
  const attemptReading = readUncertainAttempt({ attempt: attempts, domain: mail.domain }, rules())
  const ref = mailRefOf(mail.account, mail.deliveryId)
  session.updates.push({ kind: 'answered', ref, attemptReading, at: now(), dispatchedAt, end: null, retry })
  return { ...mail, attempts, dispatchedAt: null }
}

function requestLookUp(state: LoaderState, session: DeliverySession, mail: QueuedMessageSummary): void {
  state.pendingByDomain.set(mail.domain, { session, mails: [mail] })
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
      completeLookUp(state, domain, destination)
      startLookUps(state)
    })
  }
}

function completeLookUp(state: LoaderState, domain: string, destination: ResolvedDestination): void {
  const pendingMails = state.pendingByDomain.get(domain)
  state.pendingByDomain.delete(domain)
  if (pendingMails === undefined || pendingMails.session.isEnding) return
  for (const mail of pendingMails.mails) offerMail(state, pendingMails.session, { mail, place: destination })
  state.wake()
}

function offerMail(
  { context, internedStrings }: LoaderState,
  session: DeliverySession,
  { mail, place: destination }: { readonly mail: QueuedMessageSummary; readonly place: ResolvedDestination },
): void {
  const { deliveryId: id, account, acceptedAt, dueAt, attempts, refusedBy } = mail
  const [domain, senderDomain] = [intern(internedStrings, mail.domain), intern(internedStrings, mail.senderDomain)]
  const { site, gateway, mxSet } = destination
  const to = { id, account, domain, senderDomain, site, gateway, mxSet, acceptedAt, attempts, dueAt }
  enqueue(session.queue, refusedBy.length === 0 ? to : { ...to, refusedBy }, context.now())
}

function intern(internedStrings: Map<string, string>, text: string): string {
  const interned = internedStrings.get(text)
  if (interned !== undefined) return interned
  if (internedStrings.size >= MAX_INTERNED_STRINGS) internedStrings.clear()
  internedStrings.set(text, text)
  return text
}
