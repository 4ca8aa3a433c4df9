/**
 * events - an account's facts as they are committed, by server-sent events
 *
 * Each event's `id` is its fact's; a client that comes back with `Last-Event-ID` goes on from there. It may then see again what it has seen in the
 * half minute before, by the same ids, and misses nothing. A slow reader gets facts at its own pace, out of the store. Streams end when the
 * daemon does; the client comes back by itself, to this node or another.
 *
 * WHATWG HTML, Server-sent events. See also: service/notify/event-feed, http/server/fact-view.
 */
import { setTimeout as rest } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { FACT_KIND_NAMES, type FactKind } from '../../ledger/facts/fact-kinds.ts'
import type { FeedStart, FeedFollower } from '../../service/notify/event-feed.ts'
import type { Services } from '../services.ts'
import { eventSchema, toEventView } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const querystring = strictObject({
  ...operatorQuery,
  kinds: z
    .string()
    .max(400)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(FACT_KIND_NAMES)).min(1))
    .optional()
    .describe(`Only these, between commas: ${FACT_KIND_NAMES.join(', ')}`),
  since: z.iso.datetime({ offset: true }).optional().describe('Begin in the past; left out: with what comes from now on'),
})

const headers = z.object({ 'last-event-id': z.guid().optional().describe('Go on behind this event') })

/** What the data of each event is. */
const liveEventView = z.object({
  ...eventSchema.shape,
  emailId: z.string().nullable().describe('The mail that it is about'),
  recipient: z.string().nullable(),
})

/** A console, a few services, and room for connections that died unnoticed. */
const MAX_STREAMS_PER_ACCOUNT = 10
/** All streams of a node together ask the store twice a second each. */
const MAX_STREAMS = 200
/** Facts read at once: what a stream holds in memory. */
const FACTS_PER_READ = 200
/** How late an event may be. */
const POLL_INTERVAL_MS = 500
/** Proxies cut what is silent for a minute. */
const HEARTBEAT_INTERVAL_MS = 15_000
/** When a client comes back after its stream has ended. */
const CLIENT_RETRY_MS = 3_000

export type EventRouteDependencies = { readonly services: Services; readonly authorizer: Authorizer; readonly heartbeatMs?: number }

export function addEventRoutes(
  server: HttpServer,
  { services, authorizer, heartbeatMs = HEARTBEAT_INTERVAL_MS }: EventRouteDependencies,
): void {
  const shutdown = new AbortController()
  const streams = new Map<number, Set<object>>()
  server.addHook('preClose', async () => shutdown.abort())
  void server.register(async (instance) => {
    const { fastifySSE } = await import('@fastify/sse')
    await instance.register(fastifySSE, { heartbeatInterval: heartbeatMs })
    const scope: HttpServer = instance.withTypeProvider()
    const schema = {
      summary: 'Live events (server-sent events)',
      tags: ['events'],
      querystring,
      headers,
      response: { 200: { content: { 'text/event-stream': { schema: liveEventView.describe('The data of each event') } } } },
    }
    const options = { schema, sse: 'manual', config: { produces: 'text/event-stream' } } as const
    scope.get('/v1/events', options, async (request, reply) => {
      const caller = await authorizer.requireAccountOrOperator(request)
      const account = caller?.account ?? 0
      const { kinds, since } = request.query
      const releaseStream = acquireStream(streams, account)
      // A client that goes now is heard of at once; one that went before, by the end of this.
      reply.sse.onClose(releaseStream)
      try {
        const follower = await services.openEventFeed(account, toFeedStart(request.headers['last-event-id'], since))
        await sendEvents(reply, {
          services,
          account,
          follower,
          kinds: kinds === undefined ? null : new Set(kinds),
          signal: shutdown.signal,
        })
      } finally {
        releaseStream()
      }
    })
  })
}

function toFeedStart(after: string | undefined, since: string | undefined): FeedStart {
  if (after !== undefined) return { after: after.toLowerCase() }
  return since === undefined ? 'now' : { since: Date.parse(since) }
}

/** Takes a place among the streams; the answer gives it back, once however often it is called. Faults: rate_limited. */
function acquireStream(streams: Map<number, Set<object>>, account: number): () => void {
  const accountStreams = streams.get(account) ?? new Set()
  const streamCount = [...streams.values()].reduce((sum, { size }) => sum + size, 0)
  if (accountStreams.size >= MAX_STREAMS_PER_ACCOUNT || streamCount >= MAX_STREAMS)
    throw new Fault(
      'rate_limited',
      `at most ${MAX_STREAMS_PER_ACCOUNT} streams of an account, and ${MAX_STREAMS} of a node, at once; close one`,
    )
  const handle = {}
  streams.set(account, accountStreams.add(handle))
  return () => {
    accountStreams.delete(handle)
    if (accountStreams.size === 0 && streams.get(account) === accountStreams) streams.delete(account)
  }
}

type EventStream = {
  readonly services: Services
  readonly account: number
  readonly follower: FeedFollower
  readonly kinds: ReadonlySet<FactKind> | null
  readonly signal: AbortSignal
}

/** Until the client goes or the daemon ends. A store that does not answer ends the stream too: the client comes back. */
async function sendEvents(reply: FastifyReply, stream: EventStream): Promise<void> {
  const { services, account, follower, kinds, signal } = stream
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
      const deliveryNames = await services.findDeliveryNames(
        account,
        selected.flatMap(({ deliveryId }) => deliveryId ?? []),
      )
      for (const fact of selected) {
        if (!sse.isConnected) return
        await sse.send({ id: fact.id, event: fact.kind, data: toLiveEventView(fact, deliveryNames) })
      }
      if (facts.length < FACTS_PER_READ) await rest(POLL_INTERVAL_MS, null, { signal, ref: false }).catch(() => null)
    }
  } catch {
    // Headers are out: all that can be told is the end.
  }
  sse.close()
}

function toLiveEventView(fact: Fact, deliveryNames: Awaited<ReturnType<Services['findDeliveryNames']>>): z.output<typeof liveEventView> {
  const { emailId = null, recipient = null } = (fact.deliveryId === null ? undefined : deliveryNames.get(fact.deliveryId)) ?? {}
  return { ...toEventView(fact), emailId, recipient }
}
