/**
 * reporters - lists the operators of feedback loops whose signed reports count
 *
 * See also: http/services/reporters, docs/SECURITY.md.
 */
import { z } from 'zod'
import type { ListReporters } from '../../services/reporters.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'

type ReporterRouteDependencies = { readonly listReporters: ListReporters; readonly authorizer: Authorizer }

const reporterView = z.object({
  name: z.string(),
  from: z.array(z.string()).describe('From addresses of its reports; empty: any that is aligned with a domain'),
  domains: z.array(z.string()).describe('Values of d=; empty: the loop does not sign'),
  complaints: z.int().describe('In the last four weeks'),
  lastComplaintAt: z.string().nullable(),
})

export function addReporterRoutes(server: HttpServer, { listReporters, authorizer }: ReporterRouteDependencies): void {
  const schema = {
    summary: 'List the reporters',
    tags: ['operator'],
    querystring: strictObject({}),
    response: { 200: z.object({ reporters: z.array(reporterView) }) },
  }
  server.get('/v1/reporters', { schema }, async (request) => {
    await authorizer.requireOperator(request)
    return {
      reporters: (await listReporters()).map(({ name, from, domains, complaints, lastComplaintAt }) => ({
        name,
        from: [...from],
        domains: [...domains],
        complaints,
        lastComplaintAt: toIsoTimestamp(lastComplaintAt),
      })),
    }
  })
}
