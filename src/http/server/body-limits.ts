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
import { CHUNK_OVERHEAD_BYTES, createByteBudget, type OpenBody } from '../../net/byte-budget.ts'
import { Fault } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { HttpServer } from './http-server.ts'

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
const SMALL_BODY_BYTES = 64 * 1024

/** How often silent bodies and a short budget are looked at. */
const ENFORCE_INTERVAL_MS = 1_000

/** No body is read for these. */
const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE'])

type BodyRefusalReason = 'busy' | 'ended' | 'silent'

const BODY_FAULTS = {
  busy: () => new Fault('overloaded', 'too much is coming in at the moment; try again later (http.bodyBudget)'),
  ended: () => new Fault('overloaded', 'your body was slow while memory was short; try again later (http.bodyBudget)'),
  silent: () => new Fault('request_timeout', 'your body stood still for too long (http.bodyIdleSeconds)'),
} as const satisfies Record<BodyRefusalReason, () => Fault>

/** What may be asked of the bodies that are open. */
export type BodyLimiter = { readonly usedBytes: () => number; readonly enforceLimits: () => void }

export type BodyLimitOptions = {
  readonly telemetry: Telemetry
  readonly limits: Pick<HttpLimits, 'bodyBudget' | 'bodyIdleSeconds'>
  readonly now: () => number
}

/** Counts every body of the server's routes. Routes that are added later are in, too. */
export function addBodyLimits(server: HttpServer, { telemetry, limits, now }: BodyLimitOptions): BodyLimiter {
  const budget = createByteBudget(limits.bodyBudget)
  const endByBody = new Map<OpenBody, (reason: BodyRefusalReason) => void>()
  const countRefusal = (reason: BodyRefusalReason): Fault => {
    telemetry.count('bounced_http_bodies_refused_total', { reason })
    return BODY_FAULTS[reason]()
  }
  const meterBody = (request: FastifyRequest, reply: FastifyReply, payload: Readable): Readable => {
    const endWith = (reason: BodyRefusalReason): void => void meter.destroy(countRefusal(reason))
    const body = budget.open(() => endWith('ended'), now())
    const meter = createMeter({
      onBytes: (bytes) => budget.addBytes(body, bytes, now()),
      onEnd: () => {
        budget.markComplete(body)
        endByBody.delete(body)
      },
    })
    // Where nobody reads it (an answer came first) its end is nobody's news.
    meter.on('error', () => undefined)
    endByBody.set(body, endWith)
    // What is not read flows by uncounted, so that the connection can be used again.
    const release = (): void => {
      budget.release(body)
      endByBody.delete(body)
      payload.unpipe(meter).resume()
    }
    reply.raw.once('finish', release).once('close', release)
    payload.once('error', (error) => meter.destroy(error))
    request.raw.once('close', () => void (request.raw.readableEnded || meter.destroy(new Fault('bad_request', 'the body was cut off'))))
    return payload.pipe(meter)
  }
  server.addHook('preParsing', (request, reply, payload, done) => {
    if (!isBodyExpected(request)) return done(null, payload)
    if (budget.isBelowSoftLimit() || isSmallBody(request)) return done(null, meterBody(request, reply, payload))
    // Behind it a body would come that nobody wants.
    void reply.header('connection', 'close')
    done(countRefusal('busy'))
  })
  const enforceLimits = (): void => {
    const idleSince = now() - limits.bodyIdleSeconds * 1_000
    for (const [body, endWith] of endByBody) if (Math.max(body.lastByteAt, body.openedAt) <= idleSince) endWith('silent')
    budget.evictLongRunning(now())
    telemetry.setGauge('bounced_http_body_bytes', budget.usedBytes())
  }
  const timer = setInterval(enforceLimits, ENFORCE_INTERVAL_MS).unref()
  server.addHook('onClose', () => Promise.resolve(clearInterval(timer)))
  return { usedBytes: budget.usedBytes, enforceLimits }
}

type MeterCallbacks = { readonly onBytes: (bytes: number) => void; readonly onEnd: () => void }

/** Passes bytes on and tells of them. */
function createMeter({ onBytes, onEnd }: MeterCallbacks): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes(chunk.length + CHUNK_OVERHEAD_BYTES)
      done(null, chunk)
    },
    flush(done) {
      onEnd()
      done()
    },
  })
}

function isBodyExpected({ method, headers }: FastifyRequest): boolean {
  if (METHODS_WITHOUT_BODY.has(method)) return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** A body that does not say how long it is may be of any length. */
function isSmallBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length']) <= SMALL_BODY_BYTES
}
