/**
 * message-reports - the raw reports about a message, as source and as a tree of parts, and as a download
 *
 * The text of a mail is untrusted: it is returned as JSON strings, and as a download that no browser shows.
 *
 * See also: http/services/message-reports, http/api/messages (whose events name the digests).
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { toMailView, type MessageReportService } from '../services/message-reports.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { createMediaResponses } from '../server/media.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type MessageReportDependencies = { readonly messageReports: MessageReportService; readonly authorizer: Authorizer }

const mailView = z.object({
  size: z.int().describe('The size of the mail in bytes'),
  source: z.string().describe('The first 200,000 bytes, as UTF-8'),
  isTruncated: z.boolean().describe('True if the mail is longer or has more than 200 parts; the download has all of it'),
  parts: z.array(
    z.object({
      depth: z.int().describe('0 for the mail; a part that follows with a higher depth is inside'),
      type: z.string(),
      filename: z.string().nullable(),
      encoding: z.string(),
      bytes: z.int(),
      headers: z.array(z.object({ name: z.string(), value: z.string() })),
      text: z.string().nullable().describe('The decoded text, up to 20,000 characters'),
    }),
  ),
  defects: z.array(z.string()).describe('Where the mail breaks the rules of MIME'),
})

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')
const querystring = strictObject(operatorQuery)

export function addMessageReportRoutes(server: HttpServer, { messageReports, authorizer }: MessageReportDependencies): void {
  const params = z.object({ emailId: z.string().min(1).max(1_024), digest: digest.describe('`detail.digest` of an event') })
  const shared = { tags: ['messages'], params, querystring }
  const read = { ...shared, summary: 'Read a report about a message as source and parts', response: { 200: mailView } }
  const find = async (account: number, { emailId, digest: id }: z.output<typeof params>): Promise<Uint8Array> => {
    const raw = await messageReports.findRaw(account, emailId, id)
    if (raw === null) throw new Fault('not_found', 'the message has no such report, or the raw mail has expired (retention.rawDays)')
    return raw
  }
  server.get('/v1/messages/:emailId/reports/:digest', { schema: read }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return toResponse(await find(account, request.params))
  })
  const response = createMediaResponses('application/octet-stream')
  const download = { ...shared, summary: 'Download a report about a message', response }
  const config = { produces: 'application/octet-stream' }
  server.get('/v1/messages/:emailId/reports/:digest/raw', { schema: download, config }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const raw = await find(account, request.params)
    void reply.header('content-disposition', `attachment; filename="${request.params.digest.slice(0, 16)}.eml"`)
    return reply.type('application/octet-stream').send(Buffer.from(raw))
  })
}

function toResponse(raw: Uint8Array): z.output<typeof mailView> {
  const view = toMailView(raw)
  return { ...view, defects: [...view.defects], parts: view.parts.map((part) => ({ ...part, headers: [...part.headers] })) }
}
