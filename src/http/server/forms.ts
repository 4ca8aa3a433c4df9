/**
 * forms - a form of several parts as the fields of a body
 *
 * Read whole within the limit of every body, so that it is counted like one (http/server/body-limits). A file belongs to mail/send alone, which reads its
 * own forms.
 *
 * See also: http/server/upload (the reader), http/sendcloud/mail-send-routes.
 */
import { Fault } from '../../errors.ts'
import type { HttpServer } from './http-server.ts'
import { readMultipartForm } from './upload.ts'

/** For the routes of this scope. */
export function addFormParser(scope: HttpServer): void {
  scope.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, async (request: { headers: FormHeaders }, body: Buffer) => {
    const { fields, files } = await readMultipartForm(body, request.headers['content-type'] ?? '')
    if (files.length > 0) throw new Fault('bad_request', 'this address takes no file')
    return fields
  })
}

type FormHeaders = { readonly 'content-type'?: string | undefined }
