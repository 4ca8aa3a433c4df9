/**
 * upload - parses a multipart form into fields and files
 *
 * The body is in memory as a whole, within the body limit of the route; a larger body is rejected before it is parsed. If a field occurs more than
 * once, the last one is used. Files are listed separately, also if a field has the same name.
 *
 * RFC 7578. See also: http/server/forms, http/sendcloud/mail-send.
 */
import { Fault } from '../../errors.ts'

export type UploadedFile = { readonly name: string; readonly type: string; readonly content: Buffer; readonly field: string }
export type MultipartForm = { readonly fields: Readonly<Record<string, string>>; readonly files: readonly UploadedFile[] }

/** Parses a form. Faults: bad_request (an invalid form). */
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
    throw new Fault('bad_request', 'the form cannot be parsed', { cause })
  }
}
