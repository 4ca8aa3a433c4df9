/**
 * routes - the routes of the EngageLab API
 *
 * These paths under /v1 are reserved for EngageLab; our own API uses others (`/v1/suppressions/…`).
 *
 * See also: http/engagelab/operation, docs/SENDCLOUD.md.
 */
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { acceptEmptyJson } from '../server/empty-body.ts'
import { describeError } from '../server/problem.ts'
import type { HttpServer } from '../server/http-server.ts'
import type { HttpServices } from '../services/http-services.ts'
import { runEngageLabOperation, sendEngageLabRefusal, sendEngageLabRateLimited } from './operation.ts'
import type { EngageLabDependencies, EngageLabOperation } from './operation.ts'
import {
  createAddEntriesOperation,
  addEngageLabUnsubscribes,
  createEngageLabDeleteOperation,
  createDeleteEntriesOperation,
  createListEntriesOperation,
  createEngageLabListOperation,
} from './lists.ts'
import { listEngageLabStatuses } from './email-status.ts'

/** The services that the operations need together. */
type EngageLabServices = Pick<HttpServices, 'accounts' | 'messages' | 'suppressions' | 'blockAllow'>

const ENGAGELAB_ROUTES = [
  ['GET', '/v1/email_status', listEngageLabStatuses],
  ['GET', '/v1/bounces', createEngageLabListOperation('bounce')],
  ['GET', '/v1/complaints', createEngageLabListOperation('complaint')],
  ['DELETE', '/v1/complaints', createEngageLabDeleteOperation('complaint')],
  ['GET', '/v1/unsubscribes', createEngageLabListOperation('unsubscribe')],
  ['POST', '/v1/unsubscribes', addEngageLabUnsubscribes],
  ['DELETE', '/v1/unsubscribes', createEngageLabDeleteOperation('unsubscribe')],
  ['GET', '/v1/blocks', createListEntriesOperation('block')],
  ['POST', '/v1/blocks', createAddEntriesOperation('block')],
  ['DELETE', '/v1/blocks', createDeleteEntriesOperation('block')],
  ['GET', '/v1/no_interceptions', createListEntriesOperation('allow')],
  ['POST', '/v1/no_interceptions', createAddEntriesOperation('allow')],
  ['DELETE', '/v1/no_interceptions', createDeleteEntriesOperation('allow')],
] as const satisfies readonly (readonly [string, string, EngageLabOperation<EngageLabServices>])[]

export function addEngageLabRoutes(server: HttpServer, dependencies: EngageLabDependencies<EngageLabServices>): void {
  // A scope of its own, so that framework errors use EngageLab's format too.
  void server.register(async (scope) => {
    const typedScope = scope.withTypeProvider<ZodTypeProvider>()
    acceptEmptyJson(typedScope)
    typedScope.setErrorHandler((error, _request, reply) => {
      const { status, code, detail } = describeError(error)
      if (code === 'overloaded') return sendEngageLabRateLimited(reply)
      return status < 500 ? reply.code(status).send({ code: status, message: detail }) : sendEngageLabRefusal(reply, 501)
    })
    for (const [method, url, operation] of ENGAGELAB_ROUTES) {
      typedScope.route({
        method,
        url,
        schema: { hide: true },
        handler: (request, reply) => runEngageLabOperation(dependencies, operation, request, reply),
      })
    }
  })
}
