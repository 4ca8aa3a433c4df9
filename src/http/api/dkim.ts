/**
 * dkim - manages the DKIM keys of an account's domains and shows the DNS records that they need
 *
 * A new key signs as soon as its record is visible in DNS. Only the operator may declare a record published without a DNS check.
 *
 * See also: service/admin/dkim, docs/SENDING.md.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { DkimKeyService, DkimView } from '../../service/admin/dkim.ts'
import { actorOf, type Caller } from '../../service/caller.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type DkimRouteDependencies = { readonly dkim: DkimKeyService; readonly authorizer: Authorizer }

const domain = z.string().min(3).max(253)
const selector = z.string().min(1).max(63)
const published = z
  .boolean()
  .default(false)
  .describe('The record is published although this server cannot see it; allowed for the operator only')

const keyView = z.object({
  domain: z.string(),
  selector: z.string(),
  algorithm: z.enum(['rsa', 'ed25519']),
  state: z.enum(['waiting', 'active', 'retired']),
  createdAt: z.string(),
  stateAt: z.string().describe('When the key entered its state'),
  record: z.object({ name: z.string(), type: z.literal('TXT'), text: z.string() }).describe('The DNS record to publish'),
  keepRecordUntil: z.string().nullable().describe('For a retired key: when you may remove its record'),
})

const keysResponse = z.object({ keys: z.array(keyView) })

const shared = { tags: ['dkim'], querystring: strictObject(operatorQuery) }
const keyParams = z.object({ domain, selector })

export function addDkimRoutes(server: HttpServer, dependencies: DkimRouteDependencies): void {
  addCollectionRoutes(server, dependencies)
  addRotateRoute(server, dependencies)
  addKeyRoutes(server, dependencies)
}

function addCollectionRoutes(server: HttpServer, { dkim, authorizer }: DkimRouteDependencies): void {
  const list = { ...shared, summary: 'List signing keys, the newest of each domain first', response: { 200: keysResponse } }
  server.get('/v1/dkim', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return { keys: (await dkim.list(account)).map(toKeyView) }
  })
  const body = strictObject({ domain, selector: selector.optional(), algorithm: z.enum(['rsa', 'ed25519']).default('rsa'), published })
  const create = { ...shared, summary: 'Create a signing key', body, response: { 201: keyView } }
  server.post('/v1/dkim', { schema: create, config: { permission: 'administer' } }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { domain, selector = null, algorithm, published } = request.body
    const isPublished = checkPublished(caller, published)
    return reply.code(201).send(toKeyView(await dkim.add({ ...toAuditFields(caller), domain, selector, algorithm, isPublished })))
  })
}

function addRotateRoute(server: HttpServer, { dkim, authorizer }: DkimRouteDependencies): void {
  const rotate = {
    ...shared,
    summary: 'Create a new key for each algorithm of the domain; the old key signs until the new record is visible',
    params: z.object({ domain }),
    response: { 201: keysResponse },
  }
  server.post('/v1/dkim/:domain/rotate', { schema: rotate, config: { permission: 'administer' } }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const newKeys = await dkim.rotate({ ...toAuditFields(caller), domain: request.params.domain })
    return reply.code(201).send({ keys: newKeys.map(toKeyView) })
  })
}

function addKeyRoutes(server: HttpServer, { dkim, authorizer }: DkimRouteDependencies): void {
  const body = strictObject({ published })
  const activate = { ...shared, summary: 'Check the record now and activate the key', params: keyParams, body, response: { 200: keyView } }
  server.post('/v1/dkim/:domain/:selector/activate', { schema: activate, config: { permission: 'administer' } }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const isPublished = checkPublished(caller, request.body.published)
    return toKeyView(await dkim.activate({ ...toAuditFields(caller), ...request.params, isPublished }))
  })
  const remove = {
    ...shared,
    summary: 'Remove a key; messages in transit can no longer be verified once you remove its record',
    params: keyParams,
    response: { 204: z.null() },
  }
  server.delete('/v1/dkim/:domain/:selector', { schema: remove, config: { permission: 'administer' } }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const removedCount = await dkim.remove({ ...toAuditFields(caller), ...request.params })
    if (removedCount === 0) throw new Fault('not_found', 'this domain has no key with this selector')
    return reply.code(204).send(null)
  })
}

const toAuditFields = (caller: Caller): { readonly account: number; readonly actor: string } => ({
  account: caller.account,
  actor: actorOf(caller),
})

/** Faults: forbidden (an account skips the DNS check). */
function checkPublished(caller: Caller, isPublished: boolean): boolean {
  if (isPublished && caller.isOperator !== true) throw new Fault('forbidden', 'published: only the operator may skip the DNS check')
  return isPublished
}

function toKeyView(key: DkimView): z.output<typeof keyView> {
  const { domain, selector, algorithm, state, createdAt, stateAt, recordName, recordText, keepUntil } = key
  return {
    domain,
    selector,
    algorithm,
    state,
    createdAt: toIsoTimestamp(createdAt),
    stateAt: toIsoTimestamp(stateAt),
    record: { name: recordName, type: 'TXT', text: recordText },
    keepRecordUntil: toIsoTimestamp(keepUntil),
  }
}
