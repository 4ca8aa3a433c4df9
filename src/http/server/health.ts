/**
 * health - liveness, readiness and metrics
 *
 * These routes need no sign-in: they reveal no account and no address. `readyz` queries the store.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'
import { createMediaResponses } from './media.ts'
import type { HttpServer } from './http-server.ts'

type HealthRouteDependencies = {
  readonly telemetry: Telemetry
  /** Rejects if the store does not answer; false while the daemon shuts down. */
  readonly isReady: () => Promise<boolean>
}

const okView = z.object({ status: z.literal('ok') })

export function addHealthRoutes(server: HttpServer, { telemetry, isReady }: HealthRouteDependencies): void {
  server.get('/healthz', { schema: { summary: 'Check that the process is alive', tags: ['health'], response: { 200: okView } } }, () => ({
    status: 'ok' as const,
  }))
  server.get(
    '/readyz',
    { schema: { summary: 'Check that the store answers and that mail is accepted', tags: ['health'], response: { 200: okView } } },
    async () => {
      const isAnswering = await isReady().catch((cause: unknown) => {
        throw new Fault('store_busy', 'the store does not answer', { cause })
      })
      if (!isAnswering) throw new Fault('store_busy', 'the daemon is shutting down')
      return { status: 'ok' as const }
    },
  )
  const metricsResponse = createMediaResponses('text/plain')
  server.get(
    '/metrics',
    { schema: { summary: 'Read the Prometheus metrics', tags: ['health'], response: metricsResponse } },
    async (_request, reply) => {
      const { type, text } = await telemetry.metrics()
      return reply.type(type).send(text)
    },
  )
}
