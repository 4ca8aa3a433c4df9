/**
 * health - whether we live, whether we serve, and the figures
 *
 * Open to whoever reaches the port: they name no account and no address. `readyz` asks the store.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'
import { createMediaResponses } from './media.ts'
import type { HttpServer } from './http-server.ts'

export type HealthRouteDependencies = {
  readonly telemetry: Telemetry
  /** Rejects when the store does not answer; false while we close. */
  readonly isReady: () => Promise<boolean>
}

const okView = z.object({ status: z.literal('ok') })

export function addHealthRoutes(server: HttpServer, { telemetry, isReady }: HealthRouteDependencies): void {
  server.get('/healthz', { schema: { summary: 'The process lives', tags: ['health'], response: { 200: okView } } }, () => ({
    status: 'ok' as const,
  }))
  server.get(
    '/readyz',
    { schema: { summary: 'The store answers and mail is taken', tags: ['health'], response: { 200: okView } } },
    async () => {
      const isAnswering = await isReady().catch((cause: unknown) => {
        throw new Fault('store_busy', 'the store does not answer', { cause })
      })
      if (!isAnswering) throw new Fault('store_busy', 'closing')
      return { status: 'ok' as const }
    },
  )
  const metricsResponse = createMediaResponses('text/plain')
  server.get(
    '/metrics',
    { schema: { summary: 'Figures for Prometheus', tags: ['health'], response: metricsResponse } },
    async (_request, reply) => {
      const { type, text } = await telemetry.metrics()
      return reply.type(type).send(text)
    },
  )
}
