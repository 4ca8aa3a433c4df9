/**
 * exports - files of statuses, lists and broadcasts' results, written in the background
 *
 * A job is asked for, looked at until it is done, and its file taken by any node. See also: service/export/exports, docs/EXPORTS.md.
 */
import { Readable } from 'node:stream'
import { z } from 'zod'
import { REASONS } from '../../classify/reasons.ts'
import type { FaultParty } from '../../classify/reasons.ts'
import { Fault } from '../../errors.ts'
import { LIST_NAMES } from '../../ledger/facts/list-facts.ts'
import { RESULT_NAMES } from '../../ledger/project/broadcast-result.ts'
import { EXPORT_FORMATS, EXPORT_KIND_NAMES } from '../../store/exports.ts'
import type { ExportFilters, ExportRow } from '../../store/exports.ts'
import { progressOf } from '../../service/export/exports.ts'
import type { ExportRequest } from '../../service/export/exports.ts'
import type { Services } from '../services.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import { createMediaResponses } from '../server/media.ts'
import type { HttpServer } from '../server/http-server.ts'
import { omitNullish } from '../read-services.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const FAULT_PARTIES = ['recipient', 'mailbox', 'message', 'sender', 'provider', 'list', 'unknown'] as const satisfies readonly FaultParty[]
/** The checked door: the keys of tables whose type names them. */
const REASON_NAMES = Object.keys(REASONS) as [string, ...string[]]
const RESULT_KEYS = Object.keys(RESULT_NAMES) as [keyof typeof RESULT_NAMES, ...(keyof typeof RESULT_NAMES)[]]

const filtersSchema = strictObject({
  status: z.literal([1, 4, 5, 18]).optional(),
  subStatus: z.int().min(401).max(599).optional(),
  fault: z.enum(FAULT_PARTIES).optional().describe('`recipient` is what lists are cleaned by'),
  reason: z.enum(REASON_NAMES).optional(),
  recipient: z.string().min(1).max(1_000).optional(),
  label: z.string().min(1).max(128).optional().describe('Part of a label’s name'),
  apiUser: z.string().min(1).max(128).optional(),
  emailType: z.enum(['trigger', 'batch']).optional(),
  requestIp: z.string().max(64).optional(),
  egressIp: z.string().max(64).optional(),
  broadcast: z.string().min(1).max(128).optional(),
  result: z.enum(RESULT_KEYS).optional(),
  list: z.enum(LIST_NAMES).optional(),
  site: z.string().min(1).max(253).optional(),
  rule: z.string().min(1).max(128).optional(),
  inForce: z.boolean().optional().describe('Only entries that hold now'),
})

const timestamp = z.iso.datetime({ offset: true })

const createBody = strictObject({
  kind: z.enum(EXPORT_KIND_NAMES).describe('status and results: by the time of the request; suppressions: by the time of the entry'),
  since: timestamp.describe('At or after'),
  until: timestamp.optional().describe('Before; now, unless told'),
  filters: filtersSchema.prefault({}).describe('Which kind knows which: docs/EXPORTS.md'),
  format: z.enum(EXPORT_FORMATS).default('csv'),
  gzip: z.boolean().default(false),
  bom: z.boolean().default(false).describe('A byte order mark before CSV: Excel reads UTF-8 by it'),
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
  progress: z.number().describe('Of the time that it spans, 0 to 1'),
  rows: z.int(),
  bytes: z.int(),
  askedBy: z.string(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  expiresAt: z.string().nullable().describe('When the file goes'),
  error: z.string().nullable().describe('Why it failed; it can be tried again'),
  download: z.string().nullable().describe('Where the file is, once it is done'),
})

const tags = ['exports']
const querystring = strictObject(operatorQuery)
const params = z.object({ id: z.uuid() })

type ExportRouteDependencies = { readonly services: Services; readonly authorizer: Authorizer }

export function addExportRoutes(server: HttpServer, dependencies: ExportRouteDependencies): void {
  addCollectionRoutes(server, dependencies)
  addItemRoutes(server, dependencies)
  addDownloadRoute(server, dependencies)
}

function addCollectionRoutes(server: HttpServer, { services, authorizer }: ExportRouteDependencies): void {
  const create = { summary: 'Ask for a file', tags, querystring, body: createBody, response: { 202: jobView } }
  server.post('/v1/exports', { schema: create }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const job = await services.exports.request(caller, toExportRequest(request.body, services.now()))
    return reply.code(202).header('location', `/v1/exports/${job.exportId}`).send(toJobView(job))
  })
  const page = strictObject({
    ...operatorQuery,
    after: z.uuid().optional().describe('`next` of the page before'),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  })
  const response = { 200: z.object({ exports: z.array(jobView), next: z.string().nullable() }) }
  const list = { summary: 'Exports, newest first', tags, querystring: page, response }
  server.get('/v1/exports', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { after = null, limit } = request.query
    const rows = await services.exports.list(account, { after, limit })
    return { exports: rows.map(toJobView), next: rows.length < limit ? null : (rows.at(-1)?.exportId ?? null) }
  })
}

function addItemRoutes(server: HttpServer, { services, authorizer }: ExportRouteDependencies): void {
  const detail = { summary: 'How far one is', tags, querystring, params, response: { 200: jobView } }
  server.get('/v1/exports/:id', { schema: detail }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const job = await services.exports.find(account, request.params.id)
    if (job === null) throw new Fault('not_found', 'there is no such export')
    return toJobView(job)
  })
  const retry = { summary: 'Let a failed one go on', tags, querystring, params, response: { 202: jobView } }
  server.post('/v1/exports/:id/retry', { schema: retry }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    return reply.code(202).send(toJobView(await services.exports.retry(account, request.params.id)))
  })
  const remove = { summary: 'Delete one with its file', tags, querystring, params, response: { 204: z.null() } }
  server.delete('/v1/exports/:id', { schema: remove }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    if (!(await services.exports.remove(account, request.params.id))) throw new Fault('not_found', 'there is no such export')
    return reply.code(204).send(null)
  })
}

const MEDIA_TYPES = { csv: 'text/csv; charset=utf-8; header=present', ndjson: 'application/x-ndjson' } as const

function addDownloadRoute(server: HttpServer, { services, authorizer }: ExportRouteDependencies): void {
  const schema = {
    summary: 'Its file, as a download',
    tags,
    querystring,
    params,
    response: createMediaResponses('text/csv', 'application/x-ndjson', 'application/gzip'),
  }
  server.get('/v1/exports/:id/download', { schema, config: { produces: null } }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const { job, pieces } = await services.exports.content(account, request.params.id)
    // The length is told, so that a file that is cut off does not pass for a whole one.
    void reply.headers({ 'content-disposition': `attachment; filename="${toFileName(job)}"`, 'content-length': job.bytes })
    return reply.type(job.gzip ? 'application/gzip' : MEDIA_TYPES[job.format]).send(Readable.from(pieces))
  })
}

/** Of our own words and times alone: no header takes what a stranger chose. */
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
