/**
 * engagement - the opens and clicks of an account, newest first
 *
 * To get them as a file, use `POST /v1/exports`. The timeline of one copy has them as well.
 *
 * See also: http/services/statistics, store/facts/engagement, docs/API.md, docs/TRACKING.md.
 */
import { z } from 'zod'
import type { EngagementRecord } from '../../store/facts/engagement.ts'
import type { StatisticsService } from '../services/statistics.ts'
import type { Authorizer } from '../server/authorize.ts'
import { CURSOR_SCHEMAS, decodeCursor, nextCursor } from '../server/cursor.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type EngagementListDependencies = {
  readonly statistics: Pick<StatisticsService, 'findEngagement' | 'findLabelIds'>
  readonly authorizer: Authorizer
}

const text = z.string().nullable()

const engagementView = z.object({
  id: z.string(),
  kind: z.enum(['open', 'click']),
  at: z.string(),
  emailId: text,
  messageId: text,
  recipient: text,
  apiUser: z.string(),
  label: text,
  broadcast: text,
  requestedAt: z.string(),
  url: text.describe('The target of a click'),
  first: z.boolean().describe('True for the first open, or the first click, of the message that counts'),
  machine: text.describe('By which sign it is a machine’s (docs/TRACKING.md); null: a person’s, as far as we can tell'),
  ip: text,
  country: text.describe('ISO 3166-1 code'),
  region: text,
  city: text,
  device: text,
  browser: text,
  browserVersion: text,
  system: text,
  systemVersion: text,
  userAgent: text,
})

const querystring = strictObject({
  ...operatorQuery,
  kind: z.enum(['open', 'click']).optional(),
  recipient: z.string().min(1).max(1_000).optional(),
  apiUser: z.string().min(1).max(128).optional(),
  label: z.string().min(1).max(128).optional().describe('Part of a label name'),
  since: z.iso.datetime({ offset: true }).optional().describe('Happened at or after this time'),
  until: z.iso.datetime({ offset: true }).optional().describe('Happened before this time'),
  after: z.string().max(200).optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

export function addEngagementListRoute(server: HttpServer, { statistics, authorizer }: EngagementListDependencies): void {
  const page = z.object({ engagement: z.array(engagementView), next: z.string().nullable() })
  const schema = { summary: 'List opens and clicks, newest first', tags: ['messages'], querystring, response: { 200: page } }
  server.get('/v1/engagement', { schema }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { kind = null, recipient: email = null, apiUser, label, since, until, after = null, limit } = request.query
    const { rows } = await statistics.findEngagement(account, {
      kind,
      email,
      from: since === undefined ? null : Date.parse(since),
      until: until === undefined ? null : Date.parse(until),
      apiUsers: apiUser === undefined ? null : [apiUser],
      labelIds: label === undefined ? null : await statistics.findLabelIds(account, [label]),
      after: decodeCursor(after, CURSOR_SCHEMAS.fact),
      offset: 0,
      limit,
      withTotal: false,
    })
    return { engagement: rows.map(toEngagementView), next: nextCursor(rows, limit, ({ fact: { at, id } }) => ({ at, id })) }
  })
}

function toEngagementView({ fact, requestedAt, ...mail }: EngagementRecord): z.output<typeof engagementView> {
  const { requestId: _id, counted: _counted, settingsVersion: _version, ...data } = fact.data
  return { id: fact.id, kind: fact.kind, at: toIsoTimestamp(fact.at), ...mail, requestedAt: toIsoTimestamp(requestedAt), ...data }
}
