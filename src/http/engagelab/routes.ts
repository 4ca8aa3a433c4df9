/**
 * routes - EngageLab's face by its addresses
 *
 * These names under /v1 are that vendor's; our own API never uses them (`/v1/suppressions/…`).
 *
 * See also: http/engagelab/operation, docs/SENDCLOUD.md.
 */
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { takeEmptyJson } from '../server/empty-body.ts'
import { tellError } from '../server/problem.ts'
import type { Web } from '../server/server.ts'
import { answer, refuse, refuseOften } from './operation.ts'
import type { EngageLabFace, Operation } from './operation.ts'
import { addEntries, addUnsubscribes, deleteOperation, dropEntries, listEntries, listOperation } from './lists.ts'
import { listStatuses } from './email-status.ts'

export const ROUTES = [
  ['GET', '/v1/email_status', listStatuses],
  ['GET', '/v1/bounces', listOperation('bounce')],
  ['GET', '/v1/complaints', listOperation('complaint')],
  ['DELETE', '/v1/complaints', deleteOperation('complaint')],
  ['GET', '/v1/unsubscribes', listOperation('unsubscribe')],
  ['POST', '/v1/unsubscribes', addUnsubscribes],
  ['DELETE', '/v1/unsubscribes', deleteOperation('unsubscribe')],
  ['GET', '/v1/blocks', listEntries('block')],
  ['POST', '/v1/blocks', addEntries('block')],
  ['DELETE', '/v1/blocks', dropEntries('block')],
  ['GET', '/v1/no_interceptions', listEntries('allow')],
  ['POST', '/v1/no_interceptions', addEntries('allow')],
  ['DELETE', '/v1/no_interceptions', dropEntries('allow')],
] as const satisfies readonly (readonly [string, string, Operation])[]

export function addEngageLab(server: Web, face: EngageLabFace): void {
  // A scope of its own, so that what the framework refuses comes in this face's words too.
  void server.register(async (scope) => {
    const own = scope.withTypeProvider<ZodTypeProvider>()
    takeEmptyJson(own)
    own.setErrorHandler((error, _request, reply) => {
      const { status, code, detail } = tellError(error)
      if (code === 'overloaded') return refuseOften(reply)
      return status < 500 ? reply.code(status).send({ code: status, message: detail }) : refuse(reply, 501)
    })
    for (const [method, url, operation] of ROUTES) {
      own.route({ method, url, schema: { hide: true }, handler: (request, reply) => answer(face, operation, request, reply) })
    }
  })
}
