/**
 * unsubscribe-form - what a POST to the unsubscribe link asks for
 *
 * Mail programs send `List-Unsubscribe=One-Click` as multipart/form-data or urlencoded; our page sends a field of its own. Names are compared in
 * any case, and further fields are ignored. Anything else asks for nothing, and gets the page.
 *
 * RFC 8058 §3.1, RFC 7578. See also: http/tracking/unsubscribe, http/server/upload.
 */
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import { readMultipartForm } from '../server/upload.ts'

/** `none`: show the page. */
type UnsubscribeForm =
  | { readonly action: 'one-click' | 'none' }
  | { readonly action: 'unsubscribe'; readonly type: UnsubscribeType }
  | { readonly action: 'undo'; readonly permit: string }

const TYPES: ReadonlyMap<string, UnsubscribeType> = new Map([
  ['0', 0],
  ['1', 1],
  ['2', 2],
  ['3', 3],
])

/** Reads a body, whatever its content type is. Total. */
export async function readUnsubscribeForm(body: Buffer, contentType: string): Promise<UnsubscribeForm> {
  const fields = new Map((await readFields(body, contentType)).map(([name, value]) => [name.trim().toLowerCase(), value.trim()]))
  const action = fields.get('action')
  if (fields.get('list-unsubscribe')?.toLowerCase() === 'one-click') return { action: 'one-click' }
  // Without a reason, the recipient just does not want the mail.
  if (action === 'unsubscribe') return { action, type: TYPES.get(fields.get('reason') ?? '') ?? 0 }
  return action === 'undo' ? { action, permit: fields.get('permit') ?? '' } : { action: 'none' }
}

async function readFields(body: Buffer, contentType: string): Promise<readonly (readonly [string, string])[]> {
  if (!/^\s*multipart\//i.test(contentType)) return [...new URLSearchParams(body.toString('utf8'))]
  try {
    return Object.entries((await readMultipartForm(body, contentType)).fields)
  } catch {
    // A form that cannot be parsed asks for nothing.
    return []
  }
}
