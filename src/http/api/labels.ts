/**
 * labels - the labels of an account: list, add, rename, remove
 *
 * A label groups mails of one kind in statistics. Sending with a new label makes it. A removed label is hidden; the figures that it has stay.
 *
 * See also: service/admin/labels.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { LabelService } from '../../service/admin/labels.ts'
import type { Label } from '../../store/account/labels.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type LabelRouteDependencies = { readonly labels: LabelService; readonly authorizer: Authorizer }

const labelView = z.object({ id: z.int(), name: z.string(), createdAt: z.string(), updatedAt: z.string() })
const listView = z.object({ labels: z.array(labelView), total: z.int(), next: z.string().nullable() })

const tags = ['account']
const querystring = strictObject(operatorQuery)
const params = z.object({ id: z.coerce.number().int().min(1).max(2_147_483_647) })
/** A line break in a name would inject a header. */
const body = strictObject({
  name: z
    .string()
    .min(1)
    .max(128)
    .regex(/^\P{Cc}*$/u, 'must not contain control characters'),
})

export function addLabelRoutes(server: HttpServer, dependencies: LabelRouteDependencies): void {
  addCollectionRoutes(server, dependencies)
  addItemRoutes(server, dependencies)
}

function addCollectionRoutes(server: HttpServer, { labels, authorizer }: LabelRouteDependencies): void {
  const page = strictObject({
    ...operatorQuery,
    query: z.string().max(128).optional().describe('Labels whose name contains this text'),
    after: z.coerce.number().int().min(0).optional().describe('`next` of the previous page'),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  })
  const list = { summary: 'List labels', tags, querystring: page, response: { 200: listView } }
  server.get('/v1/account/labels', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { query = null, after = 0, limit } = request.query
    const { rows, total } = await labels.list(account, { query, after, limit })
    const last = rows.at(-1)
    return { labels: rows.map(toLabelView), total, next: rows.length < limit || last === undefined ? null : String(last.labelId) }
  })
  const add = { summary: 'Add a label', tags, querystring, body, response: { 201: labelView } }
  server.post('/v1/account/labels', { schema: add }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    return reply.code(201).send(toLabelView(await labels.add(caller, request.body.name)))
  })
}

function addItemRoutes(server: HttpServer, { labels, authorizer }: LabelRouteDependencies): void {
  const shared = { tags, params, querystring }
  const find = { ...shared, summary: 'Read a label', response: { 200: labelView } }
  server.get('/v1/account/labels/:id', { schema: find }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return toLabelView(requireLabel(await labels.get(account, request.params.id)))
  })
  const rename = { ...shared, summary: 'Rename a label', body, response: { 200: labelView } }
  server.patch('/v1/account/labels/:id', { schema: rename }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    return toLabelView(requireLabel(await labels.rename(caller, request.params.id, request.body.name)))
  })
  const remove = { ...shared, summary: 'Remove a label; its figures stay', response: { 204: z.null() } }
  server.delete('/v1/account/labels/:id', { schema: remove }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    if (!(await labels.remove(caller, request.params.id))) throw NO_LABEL()
    return reply.code(204).send(null)
  })
}

const NO_LABEL = (): Fault => new Fault('not_found', 'the account has no label with this number')

function requireLabel(label: Label | null): Label {
  if (label === null) throw NO_LABEL()
  return label
}

function toLabelView({ labelId, name, createdAt, updatedAt }: Label): z.output<typeof labelView> {
  return { id: labelId, name, createdAt: toIsoTimestamp(createdAt), updatedAt: toIsoTimestamp(updatedAt) }
}
