/**
 * dkim - the keys that an account's domains sign with, and the DNS records that they need
 *
 * A new key signs once its record can be seen. That it stands there without being seen is the operator's word alone.
 *
 * See also: service/admin/dkim, docs/SENDING.md.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { actorOf, type Caller } from '../../service/caller.ts'
import type { DkimView } from '../../service/admin/dkim.ts'
import type { Services } from '../services.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const querystring = strictObject(operatorQuery)
const domain = z.string().min(3).max(253)
const selector = z.string().min(1).max(63)
const published = z.boolean().default(false).describe('The record stands there though it cannot be seen from here; for the operator')

const keyView = z.object({
  domain: z.string(),
  selector: z.string(),
  algorithm: z.enum(['rsa', 'ed25519']),
  state: z.enum(['waiting', 'active', 'retired']),
  createdAt: z.string(),
  stateAt: z.string().describe('Since when it stands in its state'),
  record: z.object({ name: z.string(), type: z.literal('TXT'), text: z.string() }).describe('What must stand in DNS'),
  keepRecordUntil: z.string().nullable().describe('Of a retired key: from then on its record may go'),
})

const keysResponse = z.object({ keys: z.array(keyView) })

export function addDkimRoutes(
  server: HttpServer,
  { desk: services, guard: authorizer }: { readonly desk: Services; readonly guard: Authorizer },
): void {
  const shared = { tags: ['dkim'], querystring }
  const list = { ...shared, summary: 'Signing keys, the newest of a domain first', response: { 200: keysResponse } }
  server.get('/v1/dkim', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return { keys: (await services.dkim.list(account)).map(toKeyView) }
  })
  const body = strictObject({ domain, selector: selector.optional(), algorithm: z.enum(['rsa', 'ed25519']).default('rsa'), published })
  const create = { ...shared, summary: 'Make a key; its record goes into DNS', body, response: { 201: keyView } }
  server.post('/v1/dkim', { schema: create }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { domain, selector = null, algorithm, published } = request.body
    const isPublished = checkPublished(caller, published)
    return reply.code(201).send(toKeyView(await services.dkim.add({ ...toAuditFields(caller), domain, selector, algorithm, isPublished })))
  })
  addKeyChangeRoutes(server, { desk: services, guard: authorizer })
}

function addKeyChangeRoutes(
  server: HttpServer,
  { desk: services, guard: authorizer }: { readonly desk: Services; readonly guard: Authorizer },
): void {
  const shared = { tags: ['dkim'], querystring }
  const rotate = {
    ...shared,
    summary: 'A new key for each kind that the domain signs with; the old one signs until the record of the new one is seen',
    params: z.object({ domain }),
    response: { 201: keysResponse },
  }
  server.post('/v1/dkim/:domain/rotate', { schema: rotate }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const newKeys = await services.dkim.rotate({ ...toAuditFields(caller), domain: request.params.domain })
    return reply.code(201).send({ keys: newKeys.map(toKeyView) })
  })
  const params = z.object({ domain, selector })
  const activate = {
    ...shared,
    summary: 'Look for the record now, and sign',
    params,
    body: strictObject({ published }),
    response: { 200: keyView },
  }
  server.post('/v1/dkim/:domain/:selector/activate', { schema: activate }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const isPublished = checkPublished(caller, request.body.published)
    return toKeyView(await services.dkim.activate({ ...toAuditFields(caller), ...request.params, isPublished }))
  })
  const remove = {
    ...shared,
    summary: 'Remove a key; mail on its way can no longer be verified once its record goes',
    params,
    response: { 204: z.null() },
  }
  server.delete('/v1/dkim/:domain/:selector', { schema: remove }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const removedCount = await services.dkim.remove({ ...toAuditFields(caller), ...request.params })
    if (removedCount === 0) throw new Fault('not_found', 'this domain has no key of that selector')
    return reply.code(204).send(null)
  })
}

const toAuditFields = (caller: Caller): { readonly account: number; readonly actor: string } => ({
  account: caller.account,
  actor: actorOf(caller),
})

function checkPublished(caller: Caller, isPublished: boolean): boolean {
  if (isPublished && caller.isOperator !== true) throw new Fault('forbidden', 'published is the operator’s word')
  return isPublished
}

function toKeyView({
  domain,
  selector,
  algorithm,
  state,
  createdAt,
  stateAt,
  recordName,
  recordText,
  keepUntil,
}: DkimView): z.output<typeof keyView> {
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
