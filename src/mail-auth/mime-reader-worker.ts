/**
 * mime-reader-worker - the thread in which mailparser reads what strangers wrote
 *
 * Answers each mail with one message. Whatever goes wrong ends the thread; mail-auth/mime-reader begins another.
 *
 * See also: mail-auth/mime-reader.
 */
import { parentPort } from 'node:worker_threads'
import { simpleParser, type AddressObject, type ParsedMail } from 'mailparser'
import { recordOf, type ReadMail } from './mime-reader.ts'

/** Characters of each body: with form encoding still a few megabytes. */
const MAX_BODY = 1_048_576
const MAX_FIELDS = 500
const MAX_VALUE = 8_192
const MAX_NAME = 1_024

const OPTIONS = { skipImageLinks: true, skipTextToHtml: true, skipTextLinks: true, maxHtmlLengthToParse: MAX_BODY } as const

parentPort?.on('message', (raw: Uint8Array) => {
  void simpleParser(Buffer.from(raw), OPTIONS).then((mail) => parentPort?.postMessage(viewOf(mail)))
})

function viewOf(mail: ParsedMail): ReadMail {
  const from = firstOf(mail.from)
  const to = firstOf(mail.to)
  return {
    from: from.address,
    fromName: from.name,
    to: to.address,
    toName: to.name,
    subject: (mail.subject ?? '').slice(0, MAX_VALUE),
    html: (mail.html === false ? '' : (mail.html ?? '')).slice(0, MAX_BODY),
    text: (mail.text ?? '').slice(0, MAX_BODY),
    headers: headersOf(mail),
    reference: referenceOf(mail),
  }
}

function firstOf(field: AddressObject | AddressObject[] | undefined): { readonly address: string; readonly name: string } {
  const first = (Array.isArray(field) ? field : [field]).flatMap((each) => each?.value ?? []).flatMap((each) => each.group ?? [each])[0]
  return { address: (first?.address ?? '').slice(0, MAX_NAME), name: (first?.name ?? '').slice(0, MAX_NAME) }
}

/** Fields under the names that their writer gave them, unfolded. */
function headersOf({ headerLines }: ParsedMail): ReadMail['headers'] {
  const entries = headerLines.slice(0, MAX_FIELDS).flatMap(({ line }): [string, string][] => {
    const at = line.indexOf(':')
    if (at < 0) return []
    const value = line
      .slice(at + 1, at + 1 + MAX_VALUE)
      .replaceAll(/\r?\n\s*/g, ' ')
      .trim()
    return [[line.slice(0, at).trim(), value]]
  })
  return recordOf(entries)
}

function referenceOf({ references, inReplyTo }: ParsedMail): string {
  const ids = [...(typeof references === 'string' ? [references] : (references ?? [])), ...(inReplyTo === undefined ? [] : [inReplyTo])]
  return [...new Set(ids)].join(' ').slice(0, MAX_VALUE)
}
