/**
 * dkim - the keys that an account's domains sign with, and the DNS records that they need
 *
 * A new key signs once its record can be seen. That it stands there without being seen is the operator's word alone.
 *
 * See also: service/admin/dkim, docs/SENDING.md.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { actorOf, type Asker } from '../../service/submit/register.ts'
import type { DkimView } from '../../service/admin/dkim.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

const querystring = strict(operatorQuery)
const domain = z.string().min(3).max(253)
const selector = z.string().min(1).max(63)
const published = z.boolean().default(false).describe('The record stands there though it cannot be seen from here; for the operator')

const key = z.object({
  domain: z.string(),
  selector: z.string(),
  algorithm: z.enum(['rsa', 'ed25519']),
  state: z.enum(['waiting', 'active', 'retired']),
  createdAt: z.string(),
  stateAt: z.string().describe('Since when it stands in its state'),
  record: z.object({ name: z.string(), type: z.literal('TXT'), text: z.string() }).describe('What must stand in DNS'),
  keepRecordUntil: z.string().nullable().describe('Of a retired key: from then on its record may go'),
})

const keys = z.object({ keys: z.array(key) })

export function addDkim(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const shared = { tags: ['dkim'], querystring }
  const list = { ...shared, summary: 'Signing keys, the newest of a domain first', response: { 200: keys } }
  server.get('/v1/dkim', { schema: list }, async (request) => {
    const { account } = await guard.account(request)
    return { keys: (await desk.dkim.list(account)).map(viewKey) }
  })
  const body = strict({ domain, selector: selector.optional(), algorithm: z.enum(['rsa', 'ed25519']).default('rsa'), published })
  const make = { ...shared, summary: 'Make a key; its record goes into DNS', body, response: { 201: key } }
  server.post('/v1/dkim', { schema: make }, async (request, reply) => {
    const asker = await guard.account(request)
    const { domain, selector = null, algorithm, published } = request.body
    const isPublished = wordOf(asker, published)
    return reply.code(201).send(viewKey(await desk.dkim.add({ ...callOf(asker), domain, selector, algorithm, isPublished })))
  })
  addChanges(server, { desk, guard })
}

function addChanges(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const shared = { tags: ['dkim'], querystring }
  const rotate = {
    ...shared,
    summary: 'A new key for each kind that the domain signs with; the old one signs until the record of the new one is seen',
    params: z.object({ domain }),
    response: { 201: keys },
  }
  server.post('/v1/dkim/:domain/rotate', { schema: rotate }, async (request, reply) => {
    const asker = await guard.account(request)
    const made = await desk.dkim.rotate({ ...callOf(asker), domain: request.params.domain })
    return reply.code(201).send({ keys: made.map(viewKey) })
  })
  const params = z.object({ domain, selector })
  const activate = { ...shared, summary: 'Look for the record now, and sign', params, body: strict({ published }), response: { 200: key } }
  server.post('/v1/dkim/:domain/:selector/activate', { schema: activate }, async (request) => {
    const asker = await guard.account(request)
    const isPublished = wordOf(asker, request.body.published)
    return viewKey(await desk.dkim.activate({ ...callOf(asker), ...request.params, isPublished }))
  })
  const remove = {
    ...shared,
    summary: 'Remove a key; mail on its way can no longer be verified once its record goes',
    params,
    response: { 204: z.null() },
  }
  server.delete('/v1/dkim/:domain/:selector', { schema: remove }, async (request, reply) => {
    const asker = await guard.account(request)
    const gone = await desk.dkim.remove({ ...callOf(asker), ...request.params })
    if (gone === 0) throw new Fault('not_found', 'this domain has no key of that selector')
    return reply.code(204).send(null)
  })
}

const callOf = (asker: Asker): { readonly account: number; readonly actor: string } => ({ account: asker.account, actor: actorOf(asker) })

function wordOf(asker: Asker, isPublished: boolean): boolean {
  if (isPublished && asker.byOperator !== true) throw new Fault('forbidden', 'published is the operator’s word')
  return isPublished
}

function viewKey({
  domain,
  selector,
  algorithm,
  state,
  createdAt,
  stateAt,
  recordName,
  recordText,
  keepUntil,
}: DkimView): z.output<typeof key> {
  return {
    domain,
    selector,
    algorithm,
    state,
    createdAt: isoOf(createdAt),
    stateAt: isoOf(stateAt),
    record: { name: recordName, type: 'TXT', text: recordText },
    keepRecordUntil: isoOf(keepUntil),
  }
}
