/**
 * health - liveness, readiness and metrics
 *
 * `healthz` and `readyz` are on both HTTP listeners and need no sign-in. On the public one they reveal nothing but the state. The listener for
 * operators also gives the reason, and the metrics.
 *
 * See also: daemon/readiness (checks the store), http/admin (the listener for operators).
 */
import { z } from 'zod'
import type { Telemetry } from '../../telemetry.ts'
import type { HttpServer } from './http-server.ts'
import { EVERY_HOST } from '../tracking/host-filter.ts'
import { createMediaResponses } from './media.ts'

type HealthRouteDependencies = {
  /** Resolves to null when the daemon is ready, otherwise to the reason. Rejects never. */
  readonly findReadinessProblem: () => Promise<string | null>
  readonly showsReason?: boolean
}

const okView = z.object({ status: z.literal('ok') })
const unavailableView = z.object({ status: z.literal('unavailable'), reason: z.string().optional() })

export function addHealthRoutes(server: HttpServer, { findReadinessProblem, showsReason = false }: HealthRouteDependencies): void {
  const aliveSchema = { summary: 'Check that the process is alive', tags: ['health'], response: { 200: okView } }
  server.get('/healthz', { schema: aliveSchema, config: EVERY_HOST }, () => ({ status: 'ok' as const }))
  const response = { 200: okView, 503: unavailableView }
  server.get(
    '/readyz',
    {
      schema: { summary: 'Check that the store takes writes and that the daemon is not shutting down', tags: ['health'], response },
      config: EVERY_HOST,
    },
    async (_request, reply) => {
      const reason = await findReadinessProblem()
      if (reason === null) return { status: 'ok' as const }
      void reply.code(503).header('retry-after', '5')
      return { status: 'unavailable' as const, ...(showsReason ? { reason } : {}) }
    },
  )
}

/** Adds the metrics in the Prometheus text format. */
export function addMetricsRoute(server: HttpServer, telemetry: Telemetry): void {
  const response = createMediaResponses('text/plain')
  server.get('/metrics', { schema: { summary: 'Read the Prometheus metrics', tags: ['health'], response } }, async (_request, reply) => {
    const { type, text } = await telemetry.metrics()
    return reply.type(type).send(text)
  })
}
