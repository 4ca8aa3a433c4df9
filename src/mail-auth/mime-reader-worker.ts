/**
 * mime-reader-worker - the thread in which mailparser reads mails
 *
 * Answers each mail with one message. Any error ends the thread; mail-auth/mime-reader starts another.
 *
 * See also: mail-auth/mime-reader.
 */
import { parentPort } from 'node:worker_threads'
import { simpleParser, type AddressObject, type ParsedMail } from 'mailparser'
import { groupHeaders, type MailContent } from './mail-content.ts'

/** Characters of each body; form encoding makes a few megabytes of them. */
const MAX_BODY_CHARACTERS = 1_048_576
const MAX_FIELDS = 500
const MAX_VALUE_CHARACTERS = 8_192
const MAX_NAME_CHARACTERS = 1_024

const PARSER_OPTIONS = {
  skipImageLinks: true,
  skipTextToHtml: true,
  skipTextLinks: true,
  maxHtmlLengthToParse: MAX_BODY_CHARACTERS,
} as const

parentPort?.on('message', (raw: Uint8Array) => {
  void simpleParser(shortenBlankRuns(raw), PARSER_OPTIONS).then((mail) => parentPort?.postMessage(contentOf(mail)))
})

/**
 * The library removes white space before line ends of quoted-printable with a regular expression that is quadratic in a run of spaces and tabs: 64 KiB
 * of them before a letter take seconds. Runs beyond this length are cut. RFC 5322 §2.1.1 allows 998 characters a line; no text needs so many blanks.
 */
const MAX_BLANK_RUN = 256

function shortenBlankRuns(raw: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(raw.length)
  let filled = 0
  let run = 0
  for (const byte of raw) {
    run = byte === 0x20 || byte === 0x09 ? run + 1 : 0
    if (run <= MAX_BLANK_RUN) out[filled++] = byte
  }
  return out.subarray(0, filled)
}

function contentOf(mail: ParsedMail): MailContent {
  const from = firstAddressOf(mail.from)
  const to = firstAddressOf(mail.to)
  return {
    from: from.address,
    fromName: from.name,
    to: to.address,
    toName: to.name,
    subject: (mail.subject ?? '').slice(0, MAX_VALUE_CHARACTERS),
    html: (mail.html === false ? '' : (mail.html ?? '')).slice(0, MAX_BODY_CHARACTERS),
    text: (mail.text ?? '').slice(0, MAX_BODY_CHARACTERS),
    headers: headersOf(mail),
    reference: referencesOf(mail),
  }
}

function firstAddressOf(field: AddressObject | AddressObject[] | undefined): { readonly address: string; readonly name: string } {
  const first = (Array.isArray(field) ? field : [field]).flatMap((each) => each?.value ?? []).flatMap((each) => each.group ?? [each])[0]
  return { address: (first?.address ?? '').slice(0, MAX_NAME_CHARACTERS), name: (first?.name ?? '').slice(0, MAX_NAME_CHARACTERS) }
}

/** Unfolded fields, with their names as they were written. */
function headersOf({ headerLines }: ParsedMail): MailContent['headers'] {
  const entries = headerLines.slice(0, MAX_FIELDS).flatMap(({ line }): [string, string][] => {
    const at = line.indexOf(':')
    if (at < 0) return []
    const value = line
      .slice(at + 1, at + 1 + MAX_VALUE_CHARACTERS)
      .replaceAll(/\r?\n\s*/g, ' ')
      .trim()
    return [[line.slice(0, at).trim(), value]]
  })
  return groupHeaders(entries)
}

function referencesOf({ references, inReplyTo }: ParsedMail): string {
  const ids = [...(typeof references === 'string' ? [references] : (references ?? [])), ...(inReplyTo === undefined ? [] : [inReplyTo])]
  return [...new Set(ids)].join(' ').slice(0, MAX_VALUE_CHARACTERS)
}
