/**
 * tracking-domain - shows and checks the tracking domain of an account
 *
 * The domain itself is the account setting `trackingDomain`. See also: service/track/tracking-domains, docs/TRACKING.md.
 */
import { z } from 'zod'
import type { TrackingDomainService, TrackingDomainStatus } from '../../service/track/tracking-domains.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type TrackingDomainRouteDependencies = { readonly trackingDomains: TrackingDomainService; readonly authorizer: Authorizer }

const statusView = z.object({
  state: z
    .enum(['none', 'waiting', 'verified', 'failing'])
    .describe('`waiting`: its CNAME has never led here. `failing`: it did, and the last check failed'),
  domain: z.string().nullable().describe('The account setting trackingDomain'),
  record: z
    .object({ name: z.string(), type: z.literal('CNAME'), target: z.string() })
    .nullable()
    .describe('The DNS record to publish; null without a domain, or without publicUrl and tracking.domain'),
  linkBase: z.string().nullable().describe('The base URL of the links in mails that are sent now; null: nothing is tracked'),
  verifiedAt: z.string().nullable().describe('Since when the account holds the domain'),
  failingSince: z.string().nullable(),
  checkedAt: z.string().nullable(),
  problem: z.string().nullable().describe('What is wrong, and what to publish'),
})

const shared = { tags: ['account'], querystring: strictObject(operatorQuery), response: { 200: statusView } }

export function addTrackingDomainRoutes(server: HttpServer, { trackingDomains, authorizer }: TrackingDomainRouteDependencies): void {
  const show = { ...shared, summary: 'Show the tracking domain of the account, as DNS showed it last' }
  server.get('/v1/tracking-domain', { schema: show }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return toStatusView(await trackingDomains.read(account))
  })
  const check = { ...shared, summary: 'Look up the CNAME of the tracking domain now' }
  server.post('/v1/tracking-domain/check', { schema: check, config: { permission: 'administer' } }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return toStatusView(await trackingDomains.check(account))
  })
}

function toStatusView({
  domain,
  target,
  verifiedAt,
  failingSince,
  checkedAt,
  ...status
}: TrackingDomainStatus): z.output<typeof statusView> {
  return {
    ...status,
    domain,
    record: domain === null || target === null ? null : { name: domain, type: 'CNAME', target },
    verifiedAt: toIsoTimestamp(verifiedAt),
    failingSince: toIsoTimestamp(failingSince),
    checkedAt: toIsoTimestamp(checkedAt),
  }
}
