/**
 * empty-body - treats an empty JSON body as no body
 *
 * Some clients send a JSON content type with every request, also without a body. By default, Fastify rejects these requests.
 *
 * See also: http/sendcloud/routes, http/engagelab/routes.
 */
import type { HttpServer } from './http-server.ts'

/** Accepts empty JSON bodies in the routes of this scope. */
export function acceptEmptyJson(scope: HttpServer): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.removeContentTypeParser('application/json')
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) done(null, null)
    else void parse(request, String(body), done)
  })
}
