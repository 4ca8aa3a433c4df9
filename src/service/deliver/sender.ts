/**
 * sender - builds one message and hands it to the transport
 *
 * The caller bounds how many run at once; this file bounds their bytes: a build waits until enough are free. An attempt that may no longer begin, or whose
 * domain has moved to another site, is not sent. A message that cannot be built is logged here with its fault.
 *
 * Knows nothing of the session. See also: service/deliver/delivery-loop, service/deliver/message-builder, service/deliver/render, smtp-client/transport.
 */
import { LRUCache } from 'lru-cache'
import type { Composition } from '../../compose/composition.ts'
import { Fault } from '../../errors.ts'
import type { Dispatch } from '../../queue/message.ts'
import type { ResolvedDestination } from '../../queue/schedule/reroute.ts'
import type { SiteConnectionLimits } from '../../queue/shaping/limits-in-force.ts'
import type { AttemptConnection, OutgoingMail, SmtpOutcome, Transport } from '../../smtp-client/transport.ts'
import { findQueuedBody } from '../../store/queue/queued-bodies.ts'
import { type QueuedMessage } from '../../store/queue/queued-mail.ts'
import type { Context } from '../context.ts'
import { createByteSemaphore } from './byte-semaphore.ts'
import { createMessageBuilder, type BuiltMessage, type BuildMessage } from './message-builder.ts'
import type { AttemptTransfer } from './mail-update.ts'
import type { ResolveDestination } from './queue-loader.ts'
import type { MessageRenderer } from './render.ts'
import { traceDispatch } from './observe/trace-attempt.ts'

type MailSenderOptions = {
  readonly transport: Transport
  readonly render: MessageRenderer
  readonly resolveDestination: ResolveDestination
  /** Of built messages until their attempt has ended. */
  readonly maxInFlightBytes: number
}

/** `unsent`: the attempt must not begin, or its domain has moved; `unbuilt`: there is no message to send. */
export type SendOutcome =
  | { readonly kind: 'sent'; readonly outcome: SmtpOutcome; readonly transfer: AttemptTransfer }
  | { readonly kind: 'unsent' }
  | { readonly kind: 'unbuilt' }

/** `destination` is what DNS returns for the domain now; null: no usable answer. */
type SentAttempt = { readonly sent: SendOutcome; readonly destination: ResolvedDestination | null }

export type MailSender = {
  /** Makes one attempt. Faults: those of the transport and of the look-up, which have none. */
  readonly send: (dispatch: Dispatch, mail: QueuedMessage, checks: SendChecks) => Promise<SentAttempt>
}

type SendChecks = {
  /** The limits of the connections to the site; null: none. */
  readonly limits: SiteConnectionLimits | null
  /** Called just before the transport; false: do not send. */
  readonly begin: () => boolean
  /** Whether the attempt may use an MX host of the domain. */
  readonly mayUse: (host: string) => boolean
}

/** Of the bodies of the campaigns that are being sent, as JSON. */
const MAX_BODY_CACHE_BYTES = 64 * 1024 * 1024

type CachedBody = { readonly composition: Composition; readonly size: number }
type BodyCache = LRUCache<string, Promise<CachedBody>>
type SenderState = MailSenderOptions & { readonly context: Context; readonly buildMessage: BuildMessage; readonly bodyCache: BodyCache }

/** Creates a sender, which serves one session after the other. */
export function createMailSender(context: Context, options: MailSenderOptions): MailSender {
  const buildMessage = createMessageBuilder(createByteSemaphore(options.maxInFlightBytes))
  const state: SenderState = { ...options, context, buildMessage, bodyCache: new LRUCache({ max: 1_000 }) }
  return { send: (dispatch, mail, checks) => sendMail(state, { dispatch, mail, ...checks }) }
}

type Attempt = SendChecks & { readonly dispatch: Dispatch; readonly mail: QueuedMessage }

async function sendMail(state: SenderState, { dispatch, mail, begin, mayUse, limits }: Attempt): Promise<SentAttempt> {
  const built = await buildOutgoing(state, mail)
  try {
    const resolved = await state.resolveDestination(mail.domain)
    const destination = isResolved(resolved) ? resolved : null
    if (built === null) return { sent: { kind: 'unbuilt' }, destination }
    if (hasMovedSite(dispatch, destination) || !begin()) return { sent: { kind: 'unsent' }, destination }
    traceDispatch(state.context.telemetry, dispatch)
    const { from, to, raw } = built.message
    const { egressIp, probe: isProbe } = dispatch
    const sent = await sendMeasured(state, {
      egressIp,
      domain: mail.domain,
      mailFrom: from,
      to,
      raw,
      isProbe,
      mayUse,
      limits,
      envelopeId: from.slice(0, from.indexOf('@')),
      deliveryId: mail.deliveryId,
    })
    return { sent, destination }
  } finally {
    built?.releaseBytes()
  }
}

/** Sends a message, and observes its connection and its time. */
async function sendMeasured({ context, transport }: SenderState, mail: OutgoingMail): Promise<SendOutcome> {
  let connection: AttemptConnection | null = null
  const [startedAt, begin] = [context.now(), context.elapsed()]
  const outcome = await transport.send({ ...mail, onConnection: (each) => (connection = each) })
  const totalMs = Math.round(context.elapsed() - begin)
  const phase = outcome.kind === 'reply' ? outcome.phase : null
  return { kind: 'sent', outcome, transfer: { startedAt, totalMs, bytes: mail.raw.length, phase, connection } }
}

/** Without a usable answer from DNS, the earlier destination stays valid. */
const isResolved = ({ mxSet }: ResolvedDestination): boolean => mxSet !== ''

/**
 * Whether other backoff keys cover the message than those that allowed its dispatch. Other hosts of the same site are no reason to wait: the message gets their keys after
 * the attempt.
 */
const hasMovedSite = (dispatch: Dispatch, destination: ResolvedDestination | null): boolean =>
  destination !== null && (!isResolved(dispatch) || destination.site !== dispatch.site || destination.gateway !== dispatch.gateway)

/** Null: the message cannot be built now. */
async function buildOutgoing(state: SenderState, mail: QueuedMessage): Promise<BuiltMessage | null> {
  const { context, render, buildMessage } = state
  const { account, deliveryId, bodyId } = mail
  try {
    return await buildMessage({ account, bodyId }, async () => render(mail, (await loadBody(state, mail)).composition))
  } catch (error) {
    context.telemetry.log.error({ account, deliveryId, err: error }, 'message could not be built; it will be retried')
    return null
  }
}

/** The body of one submission, read once. Faults: not_found, store_busy. */
async function loadBody({ context, bodyCache }: SenderState, { account, bodyId }: QueuedMessage): Promise<CachedBody> {
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
  if (content === null) throw new Fault('not_found', 'the body of this message is no longer stored', { detail: { account, bodyId } })
  // Checked cast: only service/submit/submit writes it, from a Composition.
  return { composition: JSON.parse(content) as Composition, size: content.length }
}

/** Keeps as many bodies as would fit if all were as large as this one. */
function evictBodies(bodyCache: BodyCache, size: number): void {
  const maxBodies = Math.max(1, Math.floor(MAX_BODY_CACHE_BYTES / Math.max(1, size)))
  while (bodyCache.size > maxBodies) void bodyCache.pop()
}
