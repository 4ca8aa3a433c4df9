/**
 * body-limits - limits the memory of request bodies in progress, and the time that the server waits for them
 *
 * A body is read before the caller is known, because the SendCloud API takes the key as a form field. So all bodies share one budget, which
 * counts their bytes as they arrive. Above half of the budget, a new large body gets 503. Above the budget, the largest body that has been
 * open for some time is ended with 503. A body that sends nothing for a while is ended with 408. Node's own timeouts and http/server/connection-limits apply in addition.
 *
 * See also: net/byte-budget (chooses the body to end), settings/http (the settings), http/server/server.
 */
import { Transform, type Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CHUNK_OVERHEAD_BYTES, createByteBudget, type ByteBudget, type OpenBody } from '../../net/byte-budget.ts'
import { Fault } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { HttpLimits } from './http-limits.ts'
import type { HttpServer } from './http-server.ts'

/** A smaller body is accepted even if the budget is short: most requests fit, also those that relieve the queue (recover, delete). */
const SMALL_BODY_BYTES = 64 * 1024

/** How often idle bodies and the budget are checked. */
const ENFORCE_INTERVAL_MS = 1_000

/** The server reads no body with these methods. */
const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE'])

type BodyRefusalReason = 'busy' | 'ended' | 'silent'

const BODY_FAULTS = {
  busy: () => new Fault('overloaded', 'the server is receiving too much data; try again later (http.bodyBudget)'),
  ended: () => new Fault('overloaded', 'the body arrived too slowly while memory was short; try again later (http.bodyBudget)'),
  silent: () => new Fault('request_timeout', 'the body was idle for too long (http.bodyIdleSeconds)'),
} as const satisfies Record<BodyRefusalReason, () => Fault>

type BodyLimiter = {
  /** The bytes of all open bodies. */
  readonly usedBytes: () => number
  /** Ends idle bodies, and the largest one if the budget is exceeded. Runs every second by itself. */
  readonly enforceLimits: () => void
}

type BodyLimitOptions = {
  readonly telemetry: Telemetry
  readonly limits: Pick<HttpLimits, 'bodyBudget' | 'bodyIdleSeconds'>
  readonly now: () => number
}

/** Limits the bodies of all routes of the server, also of routes that are added later. */
export function addBodyLimits(server: HttpServer, { telemetry, limits, now }: BodyLimitOptions): BodyLimiter {
  const budget = createByteBudget(limits.bodyBudget)
  const openBodies: OpenBodies = new Map()
  const countRefusal: CountRefusal = (reason) => {
    telemetry.count('bounced_http_bodies_refused_total', { reason })
    return BODY_FAULTS[reason]()
  }
  server.addHook('preParsing', (request, reply, payload, done) => {
    if (!isBodyExpected(request)) return done(null, payload)
    if (budget.isBelowSoftLimit() || isSmallBody(request))
      return done(null, meterBody({ budget, openBodies, countRefusal, now }, { request, reply, payload }))
    // The client may still send the rejected body, so the connection cannot be reused.
    void reply.header('connection', 'close')
    done(countRefusal('busy'))
  })
  const enforceLimits = (): void => {
    const idleSince = now() - limits.bodyIdleSeconds * 1_000
    for (const [body, endWith] of openBodies) if (Math.max(body.lastByteAt, body.openedAt) <= idleSince) endWith('silent')
    budget.evictLongRunning(now())
    telemetry.setGauge('bounced_http_body_bytes', budget.usedBytes())
  }
  const timer = setInterval(enforceLimits, ENFORCE_INTERVAL_MS).unref()
  server.addHook('onClose', () => Promise.resolve(clearInterval(timer)))
  return { usedBytes: budget.usedBytes, enforceLimits }
}

/** The open bodies, each with the function that ends it. */
type OpenBodies = Map<OpenBody, (reason: BodyRefusalReason) => void>
type CountRefusal = (reason: BodyRefusalReason) => Fault

type MeterState = {
  readonly budget: ByteBudget
  readonly openBodies: OpenBodies
  readonly countRefusal: CountRefusal
  readonly now: () => number
}

type IncomingBody = { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly payload: Readable }

/** Passes a body through a meter that counts its bytes until the response is sent. */
function meterBody({ budget, openBodies, countRefusal, now }: MeterState, { request, reply, payload }: IncomingBody): Readable {
  const endWith = (reason: BodyRefusalReason): void => void meter.destroy(countRefusal(reason))
  const body = budget.open(() => endWith('ended'), now())
  const meter = createMeter({
    onBytes: (bytes) => budget.addBytes(body, bytes, now()),
    onEnd: () => {
      budget.markComplete(body)
      openBodies.delete(body)
    },
  })
  // If the response is sent before the body is read, no code handles an error of the meter.
  meter.on('error', () => undefined)
  openBodies.set(body, endWith)
  // The rest of an unread body is drained without being counted, so that the connection can be reused.
  const release = (): void => {
    budget.release(body)
    openBodies.delete(body)
    payload.unpipe(meter).resume()
  }
  reply.raw.once('finish', release).once('close', release)
  payload.once('error', (error) => meter.destroy(error))
  request.raw.once('close', () => void (request.raw.readableEnded || meter.destroy(new Fault('bad_request', 'the body is incomplete'))))
  return payload.pipe(meter)
}

type MeterCallbacks = { readonly onBytes: (bytes: number) => void; readonly onEnd: () => void }

/** Passes bytes through and reports them. */
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

/** A body without a length may be of any size. */
function isSmallBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length']) <= SMALL_BODY_BYTES
}
