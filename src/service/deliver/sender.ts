/**
 * sender - marked mails on their way: made, handed to the transport, and their answers heard
 *
 * As many at once as there are lines, and as their bytes have room; the next are staged, so that a line never waits for a commit. What was
 * recalled before it began, may no longer be sent because the lease is over, or goes to a domain that has moved to another site, is given
 * back unsent. What cannot be made rests as if the line had broken: no key hears
 * of it, and the log alone tells it; when its time is over, an attempt without an answer says why it was never sent.
 *
 * See also: service/deliver/deliverer (who marks), ledger/decide/attempt-reading, smtp-client/transport, service/deliver/render.
 */
import { LRUCache } from 'lru-cache'
import type { Composition } from '../../compose/composition.ts'
import type { OutgoingMail, SmtpOutcome, Transport } from '../../smtp-client/transport.ts'
import { Fault } from '../../errors.ts'
import { applyAttemptResult } from '../../queue/schedule/attempt-result.ts'
import type { AttemptResult, FinalOutcome } from '../../queue/message.ts'
import { rerouteMessage, type ResolvedDestination } from '../../queue/schedule/reroute.ts'
import { findQueuedBody, type QueuedMessage } from '../../store/queue/queued-mail.ts'
import { NOT_COMPOSED_TEXT, readUncomposedAttempt, readAttempt } from '../../ledger/decide/attempt-reading.ts'
import { createMessageBuilder, type BuiltMessage, type BuildMessage, type RenderedMessage } from './message-builder.ts'
import { createByteSemaphore } from './byte-semaphore.ts'
import type { Context } from '../context.ts'
import { applyQueueEvents, type PendingAttempt, type RetryState, type DeliverySession } from './delivery-session.ts'
import type { ResolveDestination } from './queue-loader.ts'
import { traceAnswer, traceDispatch } from './trace-attempt.ts'

/** The same mail gives the same names at each attempt. */
export type RenderMessage = (mail: QueuedMessage, body: Composition) => Promise<RenderedMessage>

type MailSenderOptions = {
  readonly transport: Transport
  readonly render: RenderMessage
  readonly resolveDestination: ResolveDestination
  /** Mails under way at once. */
  readonly concurrencyLimit: number
  /** Of mails that are made and on their way. */
  readonly maxInFlightBytes: number
  /** Something was answered: there is something to commit. */
  readonly wake: () => void
}

export type MailSender = {
  /** Begins what is staged, as far as there are lines. */
  readonly startAttempts: (session: DeliverySession) => void
  /** Resolves when nothing of the term is under way. */
  readonly waitUntilIdle: (session: DeliverySession) => Promise<void>
}

/** Bodies of the campaigns that are being sent, in bytes of their JSON. */
const MAX_BODY_CACHE_BYTES = 64 * 1024 * 1024

type MailSenderState = MailSenderOptions & {
  readonly context: Context
  readonly buildMessage: BuildMessage
  readonly bodyCache: LRUCache<string, Promise<CachedBody>>
  readonly idleWaiters: (() => void)[]
}
type CachedBody = { readonly composition: Composition; readonly size: number }

/** Makes a carrier; it serves one term after the other. */
export function createMailSender(context: Context, options: MailSenderOptions): MailSender {
  const buildMessage = createMessageBuilder(createByteSemaphore(options.maxInFlightBytes))
  const state: MailSenderState = { ...options, context, buildMessage, idleWaiters: [], bodyCache: new LRUCache({ max: 1_000 }) }
  return {
    startAttempts: (session) => startAttempts(state, session),
    waitUntilIdle: async (session) => {
      while (session.sendingCount > 0) await new Promise<void>((resolve) => state.idleWaiters.push(resolve))
    },
  }
}

function startAttempts(state: MailSenderState, session: DeliverySession): void {
  while (
    session.ready.length > 0 &&
    (session.sendingCount < state.concurrencyLimit || !canStart(state, session, session.ready[0]?.attempt))
  ) {
    const next = session.ready.shift()
    if (next === undefined) return
    if (canStart(state, session, next.attempt)) void runAttempt(state, session, next)
    else returnUnsent(state, session, next.attempt)
  }
}

const canStart = ({ context }: MailSenderState, session: DeliverySession, attempt: PendingAttempt | undefined): boolean =>
  attempt !== undefined && !attempt.isRecalled && !session.isEnding && context.now() < session.leaseUntil

/** Not sent: it goes on as if it had not been given out. */
export function returnUnsent(
  { context, wake }: Pick<MailSenderState, 'context' | 'wake'>,
  session: DeliverySession,
  attempt: PendingAttempt,
): void {
  const now = context.now()
  const retry = applyAnswer(session, attempt, { kind: 'recalled' }, now)
  if (attempt.phase !== 'marking')
    session.updates.push({ kind: 'recalled', ref: attempt.ref, dispatchedAt: attempt.dispatchedAt, retry: retry.stays })
  wake()
}

/** Never rejects. */
async function runAttempt(
  state: MailSenderState,
  session: DeliverySession,
  { attempt, mail }: DeliverySession['ready'][number],
): Promise<void> {
  const { context } = state
  session.sendingCount += 1
  let built: BuiltMessage | null = null
  try {
    built = await buildOutgoing(state, mail)
    const destination = await state.resolveDestination(mail.domain)
    if (built === null) deferUnbuilt(state, session, attempt)
    else if (!canStart(state, session, attempt) || hasMovedSite(attempt, destination)) returnUnsent(state, session, attempt)
    else {
      attempt.phase = 'sending'
      traceDispatch(context.telemetry, attempt)
      recordOutcome(state, session, attempt, await state.transport.send(toOutgoing(attempt, mail, built)))
    }
    if (isResolved(destination))
      applyQueueEvents(session, rerouteMessage(session.queue, attempt.dispatch.mailId, destination, context.now()))
  } catch (error) {
    const { account, deliveryId } = attempt.ref
    context.telemetry.log.error(
      { account, deliveryId, err: error },
      'an attempt failed in a way that none may; the mail is tried again later',
    )
    if (session.pendingAttempts.has(attempt.dispatch.number)) deferUnbuilt(state, session, attempt)
  } finally {
    built?.releaseBytes()
    session.sendingCount -= 1
    if (session.sendingCount === 0) for (const resolveIdle of state.idleWaiters.splice(0)) resolveIdle()
    startAttempts(state, session)
  }
}

/** Where DNS says nothing, what was known holds. */
const isResolved = ({ mxSet }: ResolvedDestination): boolean => mxSet !== ''

/** Keys cover it that were not asked. Other hosts of the same site are no reason to wait: it is put under their keys after the attempt. */
function hasMovedSite({ dispatch }: PendingAttempt, destination: ResolvedDestination): boolean {
  return (
    isResolved(destination) && (!isResolved(dispatch) || destination.site !== dispatch.site || destination.gateway !== dispatch.gateway)
  )
}

/** Null: it cannot be made now. */
async function buildOutgoing(state: MailSenderState, mail: QueuedMessage): Promise<BuiltMessage | null> {
  const { context, render, buildMessage } = state
  const { account, deliveryId, bodyId } = mail
  try {
    return await buildMessage(`${account}/${bodyId}`, async () => render(mail, (await loadBody(state, mail)).composition))
  } catch (error) {
    context.telemetry.log.error({ account, deliveryId, err: error }, 'a mail could not be made; it is tried again later')
    return null
  }
}

function toOutgoing(
  { dispatch }: PendingAttempt,
  { domain, deliveryId }: QueuedMessage,
  { message: { from, to, raw } }: BuiltMessage,
): OutgoingMail {
  return { egressIp: dispatch.egressIp, domain, mailFrom: from, to, raw, isProbe: dispatch.probe, envelopeId: deliveryId }
}

/** Of one request, read once. Faults: not_found, store_busy. */
async function loadBody({ context, bodyCache }: MailSenderState, { account, bodyId }: QueuedMessage): Promise<CachedBody> {
  const key = `${account}/${bodyId}`
  const cached = bodyCache.get(key)
  if (cached !== undefined) return cached
  const pendingBody = readBody(context, account, bodyId)
  bodyCache.set(key, pendingBody)
  pendingBody.then(
    ({ size }) => evictBodies(bodyCache, size),
    () => bodyCache.delete(key),
  )
  return pendingBody
}

async function readBody(context: Context, account: number, bodyId: string): Promise<CachedBody> {
  const content = await findQueuedBody(context.engine.read, account, bodyId)
  if (content === null) throw new Fault('not_found', 'the body of this mail is gone', { detail: { account, bodyId } })
  // The checked door: only service/submit/submit writes it, from a Composition.
  return { composition: JSON.parse(content) as Composition, size: content.length }
}

/** Few are large; then few are kept. */
function evictBodies(bodyCache: MailSenderState['bodyCache'], size: number): void {
  const maxBodies = Math.max(1, Math.floor(MAX_BODY_CACHE_BYTES / Math.max(1, size)))
  while (bodyCache.size > maxBodies) void bodyCache.pop()
}

/** An attempt was answered. */
function recordOutcome({ context, wake }: MailSenderState, session: DeliverySession, attempt: PendingAttempt, outcome: SmtpOutcome): void {
  const now = context.now()
  const { result, ...attemptReading } = readAttempt(context.rules(), attempt.dispatch, outcome)
  const acceptedAt = session.queue.entries.get(attempt.dispatch.mailId)?.message.acceptedAt ?? now
  const { end, stays: retry } = applyAnswer(session, attempt, result, now)
  traceAnswer(context.telemetry, attempt, { outcome, verdict: attemptReading.verdict, end, dueAt: retry.dueAt })
  if (end !== null) context.telemetry.observe('bounced_queue_seconds', (now - acceptedAt) / 1_000, { end })
  session.updates.push({ kind: 'answered', ref: attempt.ref, attemptReading, at: now, dispatchedAt: attempt.dispatchedAt, end, retry })
  context.telemetry.count('bounced_queue_attempts_total', { outcome: outcomeLabelOf(result, end) })
  wake()
}

function outcomeLabelOf(result: AttemptResult, end: string | null): string {
  if (end === 'delivered' || end === 'failed') return end
  return result.kind === 'unreachable' ? `unreachable-${result.how}` : 'deferred'
}

/** It rests by the ladder; the keys hear nothing. */
function deferUnbuilt({ wake, context }: MailSenderState, session: DeliverySession, attempt: PendingAttempt): void {
  const now = context.now()
  const { end, stays: retry } = applyAnswer(session, attempt, { kind: 'unreachable', how: 'dropped', text: NOT_COMPOSED_TEXT }, now)
  if (end === null) session.updates.push({ kind: 'recalled', ref: attempt.ref, dispatchedAt: attempt.dispatchedAt, retry })
  else {
    const attemptReading = readUncomposedAttempt(attempt.dispatch, context.rules())
    session.updates.push({ kind: 'answered', ref: attempt.ref, attemptReading, at: now, dispatchedAt: attempt.dispatchedAt, end, retry })
  }
  wake()
}

/** The queue hears an answer. What became of the mail; `end` null: it stays. */
function applyAnswer(
  session: DeliverySession,
  attempt: PendingAttempt,
  result: AttemptResult,
  now: number,
): { readonly end: FinalOutcome | null; readonly stays: RetryState } {
  const { number, mailId } = attempt.dispatch
  session.pendingAttempts.delete(number)
  const events = applyAttemptResult(session.queue, number, result, now)
  const ownEvent = events.find((event) => 'mailId' in event && event.mailId === mailId)
  applyQueueEvents(
    session,
    events.filter((event) => event !== ownEvent),
  )
  const queued = session.queue.entries.get(mailId)
  const retry = {
    dueAt: ownEvent?.kind === 'mail.deferred' ? ownEvent.dueAt : now,
    attempts: queued?.attempts ?? attempt.dispatch.attempt,
    refusedBy: queued?.refusedBy ?? [],
  }
  return { end: ownEvent?.kind === 'mail.ended' ? ownEvent.end : null, stays: retry }
}
