/**
 * exports - files of statuses, lists and broadcasts' results, written in the background
 *
 * A job is asked for, looked at until it is done, and its file taken by any node. See also: service/export/exports, docs/EXPORTS.md.
 */
import { Readable } from 'node:stream'
import { z } from 'zod'
import { REASONS } from '../../classify/reasons.ts'
import type { Fault as FaultParty } from '../../classify/reasons.ts'
import { Fault } from '../../errors.ts'
import { LISTS } from '../../ledger/facts/fact.ts'
import { RESULT_NAMES } from '../../ledger/project/broadcast-result.ts'
import { EXPORT_FORMATS, EXPORT_KIND_NAMES } from '../../store/exports.ts'
import type { ExportFilters, ExportRow } from '../../store/exports.ts'
import { progressOf } from '../../service/export/exports.ts'
import type { ExportCall } from '../../service/export/exports.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import { mediaOf } from '../server/media.ts'
import type { Web } from '../server/server.ts'
import { given } from '../read-services.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

const FAULTS = ['recipient', 'mailbox', 'message', 'sender', 'provider', 'list', 'unknown'] as const satisfies readonly FaultParty[]
/** The checked door: the keys of tables whose type names them. */
const REASON_NAMES = Object.keys(REASONS) as [string, ...string[]]
const RESULTS = Object.keys(RESULT_NAMES) as [keyof typeof RESULT_NAMES, ...(keyof typeof RESULT_NAMES)[]]

const filters = strict({
  status: z.literal([1, 4, 5, 18]).optional(),
  subStatus: z.int().min(401).max(599).optional(),
  fault: z.enum(FAULTS).optional().describe('`recipient` is what lists are cleaned by'),
  reason: z.enum(REASON_NAMES).optional(),
  recipient: z.string().min(1).max(1_000).optional(),
  label: z.string().min(1).max(128).optional().describe('Part of a label’s name'),
  apiUser: z.string().min(1).max(128).optional(),
  emailType: z.enum(['trigger', 'batch']).optional(),
  requestIp: z.string().max(64).optional(),
  egressIp: z.string().max(64).optional(),
  broadcast: z.string().min(1).max(128).optional(),
  result: z.enum(RESULTS).optional(),
  list: z.enum(LISTS).optional(),
  site: z.string().min(1).max(253).optional(),
  rule: z.string().min(1).max(128).optional(),
  inForce: z.boolean().optional().describe('Only entries that hold now'),
})

const moment = z.iso.datetime({ offset: true })

const askBody = strict({
  kind: z.enum(EXPORT_KIND_NAMES).describe('status and results: by the time of the request; suppressions: by the time of the entry'),
  since: moment.describe('At or after'),
  until: moment.optional().describe('Before; now, unless told'),
  filters: filters.prefault({}).describe('Which kind knows which: docs/EXPORTS.md'),
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
const querystring = strict(operatorQuery)
const params = z.object({ id: z.uuid() })

type Routes = { readonly desk: Desk; readonly guard: Guard }

export function addExports(server: Web, routes: Routes): void {
  addCollection(server, routes)
  addOne(server, routes)
  addDownload(server, routes)
}

function addCollection(server: Web, { desk, guard }: Routes): void {
  const ask = { summary: 'Ask for a file', tags, querystring, body: askBody, response: { 202: jobView } }
  server.post('/v1/exports', { schema: ask }, async (request, reply) => {
    const asker = await guard.account(request)
    const job = await desk.exports.ask(asker, callOf(request.body, desk.now()))
    return reply.code(202).header('location', `/v1/exports/${job.exportId}`).send(view(job))
  })
  const page = strict({
    ...operatorQuery,
    after: z.uuid().optional().describe('`next` of the page before'),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  })
  const response = { 200: z.object({ exports: z.array(jobView), next: z.string().nullable() }) }
  const list = { summary: 'Exports, newest first', tags, querystring: page, response }
  server.get('/v1/exports', { schema: list }, async (request) => {
    const { account } = await guard.account(request)
    const { after = null, limit } = request.query
    const rows = await desk.exports.list(account, { after, limit })
    return { exports: rows.map(view), next: rows.length < limit ? null : (rows.at(-1)?.exportId ?? null) }
  })
}

function addOne(server: Web, { desk, guard }: Routes): void {
  const one = { summary: 'How far one is', tags, querystring, params, response: { 200: jobView } }
  server.get('/v1/exports/:id', { schema: one }, async (request) => {
    const { account } = await guard.account(request)
    const job = await desk.exports.find(account, request.params.id)
    if (job === null) throw new Fault('not_found', 'there is no such export')
    return view(job)
  })
  const retry = { summary: 'Let a failed one go on', tags, querystring, params, response: { 202: jobView } }
  server.post('/v1/exports/:id/retry', { schema: retry }, async (request, reply) => {
    const { account } = await guard.account(request)
    return reply.code(202).send(view(await desk.exports.retry(account, request.params.id)))
  })
  const remove = { summary: 'Delete one with its file', tags, querystring, params, response: { 204: z.null() } }
  server.delete('/v1/exports/:id', { schema: remove }, async (request, reply) => {
    const { account } = await guard.account(request)
    if (!(await desk.exports.remove(account, request.params.id))) throw new Fault('not_found', 'there is no such export')
    return reply.code(204).send(null)
  })
}

const TYPES = { csv: 'text/csv; charset=utf-8; header=present', ndjson: 'application/x-ndjson' } as const

function addDownload(server: Web, { desk, guard }: Routes): void {
  const schema = {
    summary: 'Its file, as a download',
    tags,
    querystring,
    params,
    response: mediaOf('text/csv', 'application/x-ndjson', 'application/gzip'),
  }
  server.get('/v1/exports/:id/download', { schema, config: { produces: null } }, async (request, reply) => {
    const { account } = await guard.account(request)
    const { job, pieces } = await desk.exports.content(account, request.params.id)
    // The length is told, so that a file that is cut off does not pass for a whole one.
    void reply.headers({ 'content-disposition': `attachment; filename="${nameOf(job)}"`, 'content-length': job.bytes })
    return reply.type(job.gzip ? 'application/gzip' : TYPES[job.format]).send(Readable.from(pieces))
  })
}

/** Of our own words and times alone: no header takes what a stranger chose. */
function nameOf({ kind, format, gzip, from, to }: ExportRow): string {
  const day = (at: number): string => isoOf(at).slice(0, 10)
  return `${kind}-${day(from)}-${day(to)}.${format}${gzip ? '.gz' : ''}`
}

function callOf(body: z.output<typeof askBody>, now: number): ExportCall {
  const { kind, format, gzip, bom, since, until, filters: which } = body
  const to = until === undefined ? now : Date.parse(until)
  return { kind, format, gzip, bom, from: Date.parse(since), to, filters: given<ExportFilters>(which) }
}

function view(job: ExportRow): z.output<typeof jobView> {
  const { exportId: id, kind, format, gzip, bom, state, rows, bytes, askedBy, error } = job
  const isDone = state === 'done'
  return {
    id,
    kind,
    format,
    gzip,
    bom,
    filters: { ...job.filters },
    since: isoOf(job.from),
    until: isoOf(job.to),
    state,
    progress: progressOf(job),
    rows,
    bytes,
    askedBy,
    createdAt: isoOf(job.createdAt),
    startedAt: isoOf(job.startedAt),
    endedAt: isoOf(job.endedAt),
    expiresAt: isDone || state === 'failed' ? isoOf(job.expiresAt) : null,
    error,
    download: isDone ? `/v1/exports/${id}/download` : null,
  }
}
