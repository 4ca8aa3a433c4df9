/**
 * forms - parses multipart forms without files
 *
 * The body is read as a whole, so the body limits apply to it as to any other body (http/server/body-limits). Only mail/send takes files, and it
 * parses its own forms.
 *
 * See also: http/server/upload (the reader), http/sendcloud/mail-send-routes.
 */
import { Fault } from '../../errors.ts'
import type { HttpServer } from './http-server.ts'
import { readMultipartForm } from './upload.ts'

/** Adds the parser to this scope. Faults: bad_request (an invalid form, or a file). */
export function addFormParser(scope: HttpServer): void {
  scope.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, async (request: { headers: FormHeaders }, body: Buffer) => {
    const { fields, files } = await readMultipartForm(body, request.headers['content-type'] ?? '')
    if (files.length > 0) throw new Fault('bad_request', 'this route accepts no files')
    return fields
  })
}

type FormHeaders = { readonly 'content-type'?: string | undefined }
