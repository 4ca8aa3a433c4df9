/**
 * head-requests - answers HEAD without running the operation
 *
 * The compatible APIs change data by GET. RFC 9110 §9.2.1: HEAD is safe, so it must not do what such a GET does.
 */
import type { HttpServer } from '../server/http-server.ts'

/** HEAD gets 200 and no body on every route of the scope. */
export function skipHeadRequests(scope: HttpServer): void {
  scope.addHook('onRequest', async (request, reply) => {
    if (request.method === 'HEAD') return reply.code(200).send()
    return undefined
  })
}
