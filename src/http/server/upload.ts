/**
 * upload - a form of several parts as fields and files
 *
 * The whole body is in memory, within the route's limit, before it is read: what is larger is refused without being parsed. Fields win nothing over
 * files of the same name, and the last field of a name wins.
 *
 * RFC 7578. See also: http/server/forms, http/sendcloud/mail-send.
 */
import { Fault } from '../../errors.ts'

export type UploadedFile = { readonly name: string; readonly type: string; readonly content: Buffer; readonly field: string }
export type MultipartForm = { readonly fields: Readonly<Record<string, string>>; readonly files: readonly UploadedFile[] }

/** Reads a form. Faults: bad_request (it is none). */
export async function readMultipartForm(body: Buffer, contentType: string): Promise<MultipartForm> {
  try {
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData()
    const fields = new Map<string, string>()
    const files: UploadedFile[] = []
    for (const [field, value] of form) {
      if (typeof value === 'string') fields.set(field, value)
      else files.push({ name: value.name, type: value.type, content: Buffer.from(await value.arrayBuffer()), field })
    }
    return { fields: Object.fromEntries(fields), files }
  } catch (cause) {
    throw new Fault('bad_request', 'the form cannot be read', { cause })
  }
}
