/**
 * shaping - the limits in force for a receiving site, and the file and line of each
 *
 * See also: queue/shaping/shaping-view, commands/queue/shaping (the same on the command line), docs/SHAPING.md.
 */
import { z } from 'zod'
import type { ShowShaping } from '../../services/shaping.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'

type ShapingRouteDependencies = { readonly showShaping: ShowShaping; readonly authorizer: Authorizer }

const rowView = z.object({
  option: z.string(),
  value: z.string().nullable().describe('As a shaping file would say it; null for no limit'),
  from: z.string().nullable().describe('A setting, or a file with its line; null if nothing limits it'),
  note: z.string().nullable(),
  sources: z.array(z.string()).describe('Where the value is published'),
})

const shapingView = z.object({
  site: z.string().nullable(),
  options: z.array(rowView).describe('Empty without a site'),
  sites: z.array(z.string()).describe('The sites and patterns that the files name'),
})

const query = strictObject({
  site: z.string().min(1).max(253).optional().describe('A site as the queue shows it, or a recipient domain'),
  egressIp: z.union([z.ipv4(), z.ipv6()]).optional(),
})

export function addShapingRoutes(server: HttpServer, { showShaping, authorizer }: ShapingRouteDependencies): void {
  const schema = { summary: 'Show the limits of a receiving site', tags: ['operator'], querystring: query, response: { 200: shapingView } }
  server.get('/v1/shaping', { schema }, async (request) => {
    await authorizer.requireOperator(request)
    const { site, egressIp } = request.query
    const shown = showShaping(site ?? null, egressIp ?? null)
    return { ...shown, sites: [...shown.sites], options: shown.options.map((row) => ({ ...row, sources: [...row.sources] })) }
  })
}
