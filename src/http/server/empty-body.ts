/**
 * empty-body - a JSON body of nothing is no body
 *
 * Clients that set the content type on every call send it with GET-like calls too; the framework would refuse them.
 *
 * See also: http/sendcloud/routes, http/engagelab/routes.
 */
import type { HttpServer } from './http-server.ts'

/** For the routes of this scope. */
export function acceptEmptyJson(scope: HttpServer): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.removeContentTypeParser('application/json')
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) done(null, null)
    else void parse(request, String(body), done)
  })
}
