/**
 * forms - a form of several parts as the fields of a body
 *
 * Read whole within the limit of every body, so that it is counted like one (http/server/body-limits). A file belongs to mail/send alone, which reads its
 * own forms.
 *
 * See also: http/server/upload (the reader), http/sendcloud/mail-send-routes.
 */
import { Fault } from '../../errors.ts'
import type { Web } from './server.ts'
import { readForm } from './upload.ts'

/** For the routes of this scope. */
export function takeForms(scope: Web): void {
  scope.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, async (request: { headers: Head }, body: Buffer) => {
    const { fields, files } = await readForm(body, request.headers['content-type'] ?? '')
    if (files.length > 0) throw new Fault('bad_request', 'this address takes no file')
    return fields
  })
}

type Head = { readonly 'content-type'?: string | undefined }
