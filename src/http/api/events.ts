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
import { FACT_VERSIONS, type Fact, type FactKind } from '../../ledger/facts/fact.ts'
import type { FeedStart, Follower } from '../../service/notify/event-feed.ts'
import type { Desk } from '../services.ts'
import { eventSchema, viewFact } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

// The checked door: the keys of the literal.
const KINDS = Object.keys(FACT_VERSIONS) as [FactKind, ...FactKind[]]

const querystring = strict({
  ...operatorQuery,
  kinds: z
    .string()
    .max(400)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(KINDS)).min(1))
    .optional()
    .describe(`Only these, between commas: ${KINDS.join(', ')}`),
  since: z.iso.datetime({ offset: true }).optional().describe('Begin in the past; left out: with what comes from now on'),
})

const headers = z.object({ 'last-event-id': z.guid().optional().describe('Go on behind this event') })

/** What the data of each event is. */
const liveEvent = z.object({
  ...eventSchema.shape,
  emailId: z.string().nullable().describe('The mail that it is about'),
  recipient: z.string().nullable(),
})

/** A console, a few services, and room for connections that died unnoticed. */
const STREAMS_PER_ACCOUNT = 10
/** All streams of a node together ask the store twice a second each. */
const STREAMS = 200
/** Facts read at once: what a stream holds in memory. */
const PAGE = 200
/** How late an event may be. */
const LOOK_EVERY_MS = 500
/** Proxies cut what is silent for a minute. */
const HEARTBEAT_MS = 15_000
/** When a client comes back after its stream has ended. */
const RETRY_MS = 3_000

export type EventRoutes = { readonly desk: Desk; readonly guard: Guard; readonly heartbeatMs?: number }

export function addEvents(server: Web, { desk, guard, heartbeatMs = HEARTBEAT_MS }: EventRoutes): void {
  const ending = new AbortController()
  const streams = new Map<number, Set<object>>()
  server.addHook('preClose', async () => ending.abort())
  void server.register(async (plain) => {
    const { fastifySSE } = await import('@fastify/sse')
    await plain.register(fastifySSE, { heartbeatInterval: heartbeatMs })
    const scope: Web = plain.withTypeProvider()
    const schema = {
      summary: 'Live events (server-sent events)',
      tags: ['events'],
      querystring,
      headers,
      response: { 200: { content: { 'text/event-stream': { schema: liveEvent.describe('The data of each event') } } } },
    }
    const options = { schema, sse: 'manual', config: { produces: 'text/event-stream' } } as const
    scope.get('/v1/events', options, async (request, reply) => {
      const asker = await guard.anyone(request)
      const account = asker?.account ?? 0
      const { kinds, since } = request.query
      const leave = enter(streams, account)
      // A client that goes now is heard of at once; one that went before, by the end of this.
      reply.sse.onClose(leave)
      try {
        const follower = await desk.follow(account, startOf(request.headers['last-event-id'], since))
        await tell(reply, { desk, account, follower, kinds: kinds === undefined ? null : new Set(kinds), signal: ending.signal })
      } finally {
        leave()
      }
    })
  })
}

function startOf(after: string | undefined, since: string | undefined): FeedStart {
  if (after !== undefined) return { after: after.toLowerCase() }
  return since === undefined ? 'now' : { since: Date.parse(since) }
}

/** Takes a place among the streams; the answer gives it back, once however often it is called. Faults: rate_limited. */
function enter(streams: Map<number, Set<object>>, account: number): () => void {
  const open = streams.get(account) ?? new Set()
  const all = [...streams.values()].reduce((sum, { size }) => sum + size, 0)
  if (open.size >= STREAMS_PER_ACCOUNT || all >= STREAMS)
    throw new Fault('rate_limited', `at most ${STREAMS_PER_ACCOUNT} streams of an account, and ${STREAMS} of a node, at once; close one`)
  const place = {}
  streams.set(account, open.add(place))
  return () => {
    open.delete(place)
    if (open.size === 0 && streams.get(account) === open) streams.delete(account)
  }
}

type Telling = {
  readonly desk: Desk
  readonly account: number
  readonly follower: Follower
  readonly kinds: ReadonlySet<FactKind> | null
  readonly signal: AbortSignal
}

/** Until the client goes or the daemon ends. A store that does not answer ends the stream too: the client comes back. */
async function tell(reply: FastifyReply, telling: Telling): Promise<void> {
  const { desk, account, follower, kinds, signal } = telling
  const { sse } = reply
  if (!sse.isConnected) return
  const end = (): void => sse.close()
  signal.addEventListener('abort', end)
  sse.onClose(() => signal.removeEventListener('abort', end))
  sse.sendHeaders(200)
  reply.raw.write(`retry: ${RETRY_MS}\n\n`)
  try {
    while (sse.isConnected && !signal.aborted) {
      const facts = await follower.next(PAGE)
      const wanted = kinds === null ? facts : facts.filter(({ kind }) => kinds.has(kind))
      const names = await desk.doorNames(
        account,
        wanted.flatMap(({ deliveryId }) => deliveryId ?? []),
      )
      for (const fact of wanted) {
        if (!sse.isConnected) return
        await sse.send({ id: fact.id, event: fact.kind, data: viewLive(fact, names) })
      }
      if (facts.length < PAGE) await rest(LOOK_EVERY_MS, null, { signal, ref: false }).catch(() => null)
    }
  } catch {
    // Headers are out: all that can be told is the end.
  }
  sse.close()
}

function viewLive(fact: Fact, names: Awaited<ReturnType<Desk['doorNames']>>): z.output<typeof liveEvent> {
  const { emailId = null, recipient = null } = (fact.deliveryId === null ? undefined : names.get(fact.deliveryId)) ?? {}
  return { ...viewFact(fact), emailId, recipient }
}
