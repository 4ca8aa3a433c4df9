/**
 * tls-reports - lists the TLS reports (RFC 8460) about the domains of this installation
 *
 * They belong to no account, so the operator reads them.
 *
 * See also: http/services/tls-reports, mail/feedback/tls-report, docs/RECEIVING.md.
 */
import { z } from 'zod'
import type { FactOf } from '../../../ledger/facts/fact.ts'
import type { ListTlsReports } from '../../services/tls-reports.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'

type TlsReportRouteDependencies = { readonly listTlsReports: ListTlsReports; readonly authorizer: Authorizer }

const sessions = z.number().nullable().describe('Null if the report gives no count that is possible')

const failureView = z.object({
  resultType: z.string().describe('RFC 8460, section 4.3, or a type that is not registered'),
  sendingMtaIp: z.string().nullable(),
  receivingIp: z.string().nullable(),
  receivingMxHostname: z.string().nullable(),
  sessions,
  reasonCode: z.string().nullable(),
})

const policyView = z.object({
  type: z.string().describe('sts, tlsa, no-policy-found, or an unknown type'),
  domain: z.string().nullable(),
  lines: z.array(z.string()).describe('The policy as the submitter read it'),
  mxHosts: z.array(z.string()),
  successful: sessions,
  failed: sessions,
  failures: z.array(failureView),
})

const reportView = z.object({
  id: z.string().describe('The event'),
  reportId: z.string(),
  submitter: z.string().nullable().describe('Who says that it reports'),
  signedBy: z.string().nullable().describe('The domain of the good DKIM signature; null: anybody could have sent the report'),
  domain: z.string().nullable().describe('The policy domain'),
  isOwnDomain: z.boolean().describe('Whether it is a Return-Path, feedback or VERP domain of this installation'),
  organizationName: z.string().nullable(),
  contactInfo: z.string().nullable(),
  startsAt: z.string().nullable(),
  endsAt: z.string().nullable(),
  receivedAt: z.string(),
  successful: z.number().describe('Sessions with TLS, of all policies'),
  failed: z.number().describe('Sessions that failed, of all policies'),
  policies: z.array(policyView).describe('Those with the most failed sessions first'),
  omitted: z.int().describe('Policies and failures that are not kept; their sessions are in the sums'),
  digest: z.string().describe('The digest of the mail'),
})

const listQuery = strictObject({
  after: z.string().max(400).optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(20),
})

export function addTlsReportRoutes(server: HttpServer, { listTlsReports, authorizer }: TlsReportRouteDependencies): void {
  const response = { 200: z.object({ items: z.array(reportView), next: z.string().nullable() }) }
  const schema = { summary: 'List TLS reports', tags: ['tls reports'], querystring: listQuery, response }
  server.get('/v1/tls-reports', { schema }, async (request) => {
    await authorizer.requireOperator(request)
    const { after, limit } = request.query
    const { rows, next } = await listTlsReports({ after: after ?? null, limit })
    return { items: rows.map(toReportView), next }
  })
}

function toReportView({ id, receivedAt, data }: FactOf<'tls-report'>): z.output<typeof reportView> {
  const { policies, startsAt, endsAt, ...fields } = data
  return {
    id,
    ...fields,
    startsAt: toIsoTimestamp(startsAt),
    endsAt: toIsoTimestamp(endsAt),
    receivedAt: toIsoTimestamp(receivedAt),
    policies: policies.map((policy) => ({
      ...policy,
      lines: [...policy.lines],
      mxHosts: [...policy.mxHosts],
      failures: [...policy.failures],
    })),
  }
}
