/**
 * events - streams the facts of an account as server-sent events
 *
 * The `id` of an event is the ID of its fact. A client that reconnects with `Last-Event-ID` continues there: it misses nothing, but it may
 * receive events of the last half minute again, with the same IDs. A slow client reads from the store at its own pace. When the daemon
 * stops, the stream ends and the client reconnects, to this node or to another.
 *
 * WHATWG HTML, Server-sent events. See also: service/notify/event-feed, http/server/fact-view.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { FACT_KIND_NAMES, type FactKind } from '../../ledger/facts/fact-kinds.ts'
import type { FeedStart, FeedFollower } from '../../service/notify/event-feed.ts'
import type { DeliveryNames, EventFeedService } from '../services/event-feed.ts'
import type { Authorizer } from '../server/authorize.ts'
import { eventSchema, toEventView } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type EventRouteDependencies = { readonly eventFeed: EventFeedService; readonly authorizer: Authorizer; readonly heartbeatMs?: number }

const querystring = strictObject({
  ...operatorQuery,
  kinds: z
    .string()
    .max(400)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(FACT_KIND_NAMES)).min(1))
    .optional()
    .describe(`Only these kinds, separated by commas: ${FACT_KIND_NAMES.join(', ')}`),
  since: z.iso.datetime({ offset: true }).optional().describe('Start at this time; by default the stream starts now'),
})

const headers = z.object({ 'last-event-id': z.guid().optional().describe('Continue after this event') })

const liveEventView = z.object({
  ...eventSchema.shape,
  emailId: z.string().nullable().describe('The message that the event is about'),
  recipient: z.string().nullable(),
})

/** Enough for a console and a few services, with room for connections that died unnoticed. */
const MAX_STREAMS_PER_ACCOUNT = 10
/** Each open stream queries the store twice a second. */
const MAX_STREAMS = 200
/** Facts per query; limits the memory of a stream. */
const FACTS_PER_READ = 200
/** The longest delay of an event. */
const POLL_INTERVAL_MS = 500
/** Proxies close connections that are silent for a minute. */
const HEARTBEAT_INTERVAL_MS = 15_000
/** How long a client waits before it reconnects. */
const CLIENT_RETRY_MS = 3_000

export function addEventRoutes(
  server: HttpServer,
  { eventFeed, authorizer, heartbeatMs = HEARTBEAT_INTERVAL_MS }: EventRouteDependencies,
): void {
  const shutdown = new AbortController()
  const streams = new Map<number, Set<object>>()
  server.addHook('preClose', async () => shutdown.abort())
  void server.register(async (instance) => {
    const { fastifySSE } = await import('@fastify/sse')
    await instance.register(fastifySSE, { heartbeatInterval: heartbeatMs })
    const scope: HttpServer = instance.withTypeProvider()
    scope.get('/v1/events', ROUTE_OPTIONS, async (request, reply) => {
      const caller = await authorizer.requireAccountOrOperator(request)
      const account = caller?.account ?? 0
      const { kinds: kindList, since } = request.query
      const kinds = kindList === undefined ? null : new Set(kindList)
      const releaseStream = acquireStream(streams, account)
      // Releases the slot when the client disconnects from now on; `finally` releases it for a client that already has.
      reply.sse.onClose(releaseStream)
      try {
        const follower = await eventFeed.open(account, toFeedStart(request.headers['last-event-id'], since))
        await sendEvents(reply, { eventFeed, account, follower, kinds, signal: shutdown.signal })
      } finally {
        releaseStream()
      }
    })
  })
}

const ROUTE_OPTIONS = {
  schema: {
    summary: 'Stream live events (server-sent events)',
    tags: ['events'],
    querystring,
    headers,
    response: { 200: { content: { 'text/event-stream': { schema: liveEventView.describe('The data of each event') } } } },
  },
  sse: 'manual',
  config: { produces: 'text/event-stream' },
} as const

function toFeedStart(after: string | undefined, since: string | undefined): FeedStart {
  if (after !== undefined) return { after: after.toLowerCase() }
  return since === undefined ? 'now' : { since: Date.parse(since) }
}

/** Reserves a slot for a stream and returns an idempotent function that releases it. Faults: rate_limited. */
function acquireStream(streams: Map<number, Set<object>>, account: number): () => void {
  const accountStreams = streams.get(account) ?? new Set()
  const streamCount = [...streams.values()].reduce((sum, { size }) => sum + size, 0)
  if (accountStreams.size >= MAX_STREAMS_PER_ACCOUNT || streamCount >= MAX_STREAMS)
    throw new Fault(
      'rate_limited',
      `at most ${MAX_STREAMS_PER_ACCOUNT} streams per account and ${MAX_STREAMS} per node at the same time; close one first`,
    )
  const handle = {}
  streams.set(account, accountStreams.add(handle))
  return () => {
    accountStreams.delete(handle)
    if (accountStreams.size === 0 && streams.get(account) === accountStreams) streams.delete(account)
  }
}

type EventStream = {
  readonly eventFeed: Pick<EventFeedService, 'findDeliveryNames'>
  readonly account: number
  readonly follower: FeedFollower
  readonly kinds: ReadonlySet<FactKind> | null
  readonly signal: AbortSignal
}

/** Sends events until the client disconnects, the daemon stops, or the store fails. The client then reconnects. */
async function sendEvents(reply: FastifyReply, stream: EventStream): Promise<void> {
  const { eventFeed, account, follower, kinds, signal } = stream
  const { sse } = reply
  if (!sse.isConnected) return
  const end = (): void => sse.close()
  signal.addEventListener('abort', end)
  sse.onClose(() => signal.removeEventListener('abort', end))
  sse.sendHeaders(200)
  reply.raw.write(`retry: ${CLIENT_RETRY_MS}\n\n`)
  try {
    while (sse.isConnected && !signal.aborted) {
      const facts = await follower.next(FACTS_PER_READ)
      const selected = kinds === null ? facts : facts.filter(({ kind }) => kinds.has(kind))
      const deliveryIds = selected.flatMap(({ deliveryId }) => deliveryId ?? [])
      const deliveryNames = await eventFeed.findDeliveryNames(account, deliveryIds)
      for (const fact of selected) {
        if (!sse.isConnected) return
        await sse.send({ id: fact.id, event: fact.kind, data: toLiveEventView(fact, deliveryNames) })
      }
      if (facts.length < FACTS_PER_READ) await delay(POLL_INTERVAL_MS, null, { signal, ref: false }).catch(() => null)
    }
  } catch {
    // The headers are already sent, so closing the stream is the only way to report the error.
  }
  sse.close()
}

function toLiveEventView(fact: Fact, deliveryNames: DeliveryNames): z.output<typeof liveEventView> {
  const { emailId = null, recipient = null } = (fact.deliveryId === null ? undefined : deliveryNames.get(fact.deliveryId)) ?? {}
  return { ...toEventView(fact), emailId, recipient }
}
