/**
 * body-limits - what the server holds of requests that are still coming, and for how long it waits for them
 *
 * A body is read before anybody knows whose it is: the vendor's key is one of its fields. So all bodies share one budget, counted as their bytes
 * arrive, whatever they are made of. Above half of it a large body that begins is answered 503; above all of it the largest that has stood
 * still ends with 503. A body that sends nothing for a while ends with 408. Node's own clocks and count of connections do the rest.
 *
 * See also: net/byte-budget (who must go), settings/http (the settings), http/server/server.
 */
import { Transform, type Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CHUNK_COST, createBudget, type OpenBody } from '../../net/byte-budget.ts'
import { Fault } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { Web } from './server.ts'

/** What the server lets strangers hold. Times in seconds. */
export type HttpLimits = {
  readonly connections: number
  readonly headerSeconds: number
  readonly requestSeconds: number
  readonly bodyIdleSeconds: number
  readonly bodyBudget: number
}

/** The defaults; settings/http gives the reasons. */
export const HTTP_LIMITS: HttpLimits = {
  connections: 2_000,
  headerSeconds: 30,
  requestSeconds: 300,
  bodyIdleSeconds: 30,
  bodyBudget: 64 * 1024 * 1024,
}

/** A body of up to this begins even where there is no room for large ones: most calls, and what heals (recover, delete), are smaller. */
const SMALL_BODY = 64 * 1024

/** How often silent bodies and a short budget are looked at. */
const SWEEP_MS = 1_000

/** No body is read for these. */
const BODYLESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE'])

type Reason = 'busy' | 'ended' | 'silent'

const FAULTS = {
  busy: () => new Fault('overloaded', 'too much is coming in at the moment; try again later (http.bodyBudget)'),
  ended: () => new Fault('overloaded', 'your body was slow while memory was short; try again later (http.bodyBudget)'),
  silent: () => new Fault('request_timeout', 'your body stood still for too long (http.bodyIdleSeconds)'),
} as const satisfies Record<Reason, () => Fault>

/** What may be asked of the bodies that are open. */
export type Bodies = { readonly used: () => number; readonly sweep: () => void }

export type BodiesOptions = {
  readonly telemetry: Telemetry
  readonly limits: Pick<HttpLimits, 'bodyBudget' | 'bodyIdleSeconds'>
  readonly now: () => number
}

/** Counts every body of the server's routes. Routes that are added later are in, too. */
export function addBodies(server: Web, { telemetry, limits, now }: BodiesOptions): Bodies {
  const budget = createBudget(limits.bodyBudget)
  const coming = new Map<OpenBody, (why: Reason) => void>()
  const fail = (why: Reason): Fault => {
    telemetry.count('bounced_http_bodies_refused_total', { reason: why })
    return FAULTS[why]()
  }
  const take = (request: FastifyRequest, reply: FastifyReply, payload: Readable): Readable => {
    const end = (why: Reason): void => void meter.destroy(fail(why))
    const body = budget.open(() => end('ended'), now())
    const meter = meterOf({
      grow: (bytes) => budget.grow(body, bytes, now()),
      settle: () => {
        budget.settle(body)
        coming.delete(body)
      },
    })
    // Where nobody reads it (an answer came first) its end is nobody's news.
    meter.on('error', () => undefined)
    coming.set(body, end)
    // What is not read flows by uncounted, so that the connection can be used again.
    const release = (): void => {
      budget.close(body)
      coming.delete(body)
      payload.unpipe(meter).resume()
    }
    reply.raw.once('finish', release).once('close', release)
    payload.once('error', (error) => meter.destroy(error))
    request.raw.once('close', () => void (request.raw.readableEnded || meter.destroy(new Fault('bad_request', 'the body was cut off'))))
    return payload.pipe(meter)
  }
  server.addHook('preParsing', (request, reply, payload, done) => {
    if (!hasBody(request)) return done(null, payload)
    if (budget.hasRoom() || isSmall(request)) return done(null, take(request, reply, payload))
    // Behind it a body would come that nobody wants.
    void reply.header('connection', 'close')
    done(fail('busy'))
  })
  const sweep = (): void => {
    const silentSince = now() - limits.bodyIdleSeconds * 1_000
    for (const [body, end] of coming) if (Math.max(body.lastByteAt, body.openedAt) <= silentSince) end('silent')
    budget.relieve(now())
    telemetry.gauge('bounced_http_body_bytes', budget.used())
  }
  const timer = setInterval(sweep, SWEEP_MS).unref()
  server.addHook('onClose', () => Promise.resolve(clearInterval(timer)))
  return { used: budget.used, sweep }
}

type Counting = { readonly grow: (bytes: number) => void; readonly settle: () => void }

/** Passes bytes on and tells of them. */
function meterOf({ grow, settle }: Counting): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      grow(chunk.length + CHUNK_COST)
      done(null, chunk)
    },
    flush(done) {
      settle()
      done()
    },
  })
}

function hasBody({ method, headers }: FastifyRequest): boolean {
  if (BODYLESS.has(method)) return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** A body that does not say how long it is may be of any length. */
function isSmall({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length']) <= SMALL_BODY
}
