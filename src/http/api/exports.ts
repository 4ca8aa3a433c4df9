/**
 * exports - export jobs: statuses, suppression lists, broadcast results, opens and clicks as files
 *
 * Create a job, poll it until it is done, then download its file. Any node serves the file.
 *
 * See also: service/export/exports, docs/EXPORTS.md.
 */
import { Readable } from 'node:stream'
import { z } from 'zod'
import { EMAIL_TYPES } from '../../ledger/facts/delivery-facts.ts'
import { FAULT_PARTIES } from '../../classify/reasons.ts'
import { Fault } from '../../errors.ts'
import { PROOFS } from '../../ledger/facts/decision.ts'
import { LIST_NAMES } from '../../ledger/facts/list-facts.ts'
import { RESULT_NAMES } from '../../ledger/project/broadcast-result.ts'
import { EXPORT_FORMATS, EXPORT_KIND_NAMES } from '../../store/exports.ts'
import type { ExportFilters, ExportRow } from '../../store/exports.ts'
import { progressOf } from '../../service/export/exports.ts'
import type { ExportRequest, ExportService } from '../../service/export/exports.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { createMediaResponses } from '../server/media.ts'
import { omitNullish } from '../server/omit-nullish.ts'
import { operatorQuery, reasonSchema, strictObject } from '../server/schemas.ts'

// Checked cast: the keys of the table.
const RESULT_KEYS = Object.keys(RESULT_NAMES) as [keyof typeof RESULT_NAMES, ...(keyof typeof RESULT_NAMES)[]]

const filtersSchema = strictObject({
  status: z.literal([1, 4, 5, 18]).optional(),
  subStatus: z.int().min(401).max(599).optional(),
  fault: z.enum(FAULT_PARTIES).optional().describe('Use `recipient` to clean an address list'),
  reason: reasonSchema.optional(),
  recipient: z.string().min(1).max(1_000).optional(),
  label: z.string().min(1).max(128).optional().describe('Part of a label name'),
  apiUser: z.string().min(1).max(128).optional(),
  emailType: z.enum(EMAIL_TYPES).optional(),
  requestIp: z.string().max(64).optional(),
  egressIp: z.string().max(64).optional(),
  broadcast: z.string().min(1).max(128).optional(),
  result: z.enum(RESULT_KEYS).optional(),
  engagement: z.enum(['open', 'click']).optional().describe('Only opens, or only clicks'),
  list: z.enum(LIST_NAMES).optional(),
  site: z.string().min(1).max(253).optional(),
  rule: z.string().min(1).max(128).optional(),
  proof: z.enum(PROOFS).optional().describe('What proved the report behind the entry'),
  inForce: z.boolean().optional().describe('Only entries that are in force now'),
})

const timestamp = z.iso.datetime({ offset: true })

const createBody = strictObject({
  kind: z
    .enum(EXPORT_KIND_NAMES)
    .describe(
      'The period selects status and results by the time of the request, suppressions by the time of the entry, and engagement by the time of the open or click',
    ),
  since: timestamp.describe('Start of the period, inclusive'),
  until: timestamp.optional().describe('End of the period, exclusive; now by default'),
  filters: filtersSchema.prefault({}).describe('docs/EXPORTS.md lists the filters of each kind'),
  format: z.enum(EXPORT_FORMATS).default('csv'),
  gzip: z.boolean().default(false),
  bom: z.boolean().default(false).describe('Start CSV with a byte order mark, so that Excel reads it as UTF-8'),
})

const jobView = z.object({
  id: z.string(),
  kind: z.string(),
  format: z.string(),
  gzip: z.boolean(),
  bom: z.boolean(),
  filters: z.record(z.string(), z.unknown()),
  since: z.string(),
  until: z.string(),
  state: z.string().describe('queued, running, done, failed or expired'),
  progress: z.number().describe('The share of the period that is exported, from 0 to 1'),
  rows: z.int(),
  bytes: z.int(),
  askedBy: z.string(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  expiresAt: z.string().nullable().describe('When the file is deleted'),
  error: z.string().nullable().describe('Why the job failed; a failed job can be retried'),
  download: z.string().nullable().describe('The path of the file once the job is done'),
})

const tags = ['exports']
const querystring = strictObject(operatorQuery)
const params = z.object({ id: z.uuid() })

type ExportRouteDependencies = { readonly exports: ExportService; readonly authorizer: Authorizer; readonly now: () => number }

export function addExportRoutes(server: HttpServer, dependencies: ExportRouteDependencies): void {
  addCollectionRoutes(server, dependencies)
  addItemRoutes(server, dependencies)
  addDownloadRoute(server, dependencies)
}

function addCollectionRoutes(server: HttpServer, { exports, authorizer, now }: ExportRouteDependencies): void {
  const create = { summary: 'Create an export job', tags, querystring, body: createBody, response: { 202: jobView } }
  server.post('/v1/exports', { schema: create }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const job = await exports.request(caller, toExportRequest(request.body, now()))
    return reply.code(202).header('location', `/v1/exports/${job.exportId}`).send(toJobView(job))
  })
  const page = strictObject({
    ...operatorQuery,
    after: z.uuid().optional().describe('`next` of the previous page'),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  })
  const response = { 200: z.object({ exports: z.array(jobView), next: z.string().nullable() }) }
  const list = { summary: 'List export jobs, newest first', tags, querystring: page, response }
  server.get('/v1/exports', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { after = null, limit } = request.query
    const rows = await exports.list(account, { after, limit })
    return { exports: rows.map(toJobView), next: rows.length < limit ? null : (rows.at(-1)?.exportId ?? null) }
  })
}

function addItemRoutes(server: HttpServer, { exports, authorizer }: ExportRouteDependencies): void {
  const detail = { summary: 'Read the state of an export job', tags, querystring, params, response: { 200: jobView } }
  server.get('/v1/exports/:id', { schema: detail }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const job = await exports.find(account, request.params.id)
    if (job === null) throw new Fault('not_found', 'no export has this id')
    return toJobView(job)
  })
  const retry = { summary: 'Retry a failed export job', tags, querystring, params, response: { 202: jobView } }
  server.post('/v1/exports/:id/retry', { schema: retry }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    return reply.code(202).send(toJobView(await exports.retry(account, request.params.id)))
  })
  const remove = { summary: 'Delete an export job and its file', tags, querystring, params, response: { 204: z.null() } }
  server.delete('/v1/exports/:id', { schema: remove }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    if (!(await exports.remove(account, request.params.id))) throw new Fault('not_found', 'no export has this id')
    return reply.code(204).send(null)
  })
}

const MEDIA_TYPES = { csv: 'text/csv; charset=utf-8; header=present', ndjson: 'application/x-ndjson' } as const

function addDownloadRoute(server: HttpServer, { exports, authorizer }: ExportRouteDependencies): void {
  const schema = {
    summary: 'Download the file of an export job',
    tags,
    querystring,
    params,
    response: createMediaResponses('text/csv', 'application/x-ndjson', 'application/gzip'),
  }
  server.get('/v1/exports/:id/download', { schema, config: { produces: null } }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const { job, chunks } = await exports.content(account, request.params.id)
    // The length lets the client detect a truncated download.
    void reply.headers({ 'content-disposition': `attachment; filename="${toFileName(job)}"`, 'content-length': job.bytes })
    return reply.type(job.gzip ? 'application/gzip' : MEDIA_TYPES[job.format]).send(Readable.from(chunks))
  })
}

/** Built from our own words and dates only: a header must not contain user input. */
function toFileName({ kind, format, gzip, from, to }: ExportRow): string {
  const formatDate = (at: number): string => toIsoTimestamp(at).slice(0, 10)
  return `${kind}-${formatDate(from)}-${formatDate(to)}.${format}${gzip ? '.gz' : ''}`
}

function toExportRequest(body: z.output<typeof createBody>, now: number): ExportRequest {
  const { kind, format, gzip, bom, since, until, filters: requestedFilters } = body
  const to = until === undefined ? now : Date.parse(until)
  return { kind, format, gzip, bom, from: Date.parse(since), to, filters: omitNullish<ExportFilters>(requestedFilters) }
}

function toJobView(job: ExportRow): z.output<typeof jobView> {
  const { exportId: id, kind, format, gzip, bom, state, rows, bytes, askedBy, error } = job
  const isDone = state === 'done'
  return {
    id,
    kind,
    format,
    gzip,
    bom,
    filters: { ...job.filters },
    since: toIsoTimestamp(job.from),
    until: toIsoTimestamp(job.to),
    state,
    progress: progressOf(job),
    rows,
    bytes,
    askedBy,
    createdAt: toIsoTimestamp(job.createdAt),
    startedAt: toIsoTimestamp(job.startedAt),
    endedAt: toIsoTimestamp(job.endedAt),
    expiresAt: isDone || state === 'failed' ? toIsoTimestamp(job.expiresAt) : null,
    error,
    download: isDone ? `/v1/exports/${id}/download` : null,
  }
}
