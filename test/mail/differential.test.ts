/**
 * differential - compares our MIME scanner with mailparser: the same leaves, the same text
 *
 * Runs over `fixtures/` and, if present, over the development corpus beside the checkout. Enclosed messages are compared one
 * level at a time. One of REASONS must explain each difference.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import type { ParsedMail } from 'mailparser'
import { expect, test } from 'vitest'
import { decodePartBytes, decodePartText } from '../../src/mail/mime/content.ts'
import { type MimeMessage, parseMime } from '../../src/mail/mime/mime.ts'
import type { MimePart } from '../../src/mail/mime/part.ts'

const ROOT = join(import.meta.dirname, '../..')
const CORPUS = join(ROOT, '../shared/corpus')
const SKIPS = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true }

type View = {
  readonly text: string
  readonly html: string
  readonly attachments: number
  readonly all: string
  readonly defects: readonly string[]
}
type Pair = { readonly ours: View; readonly theirs: View; readonly raw: string }

/** Removes white space and the line breaks that mailparser adds between HTML parts. */
function squash(text: string): string {
  return text.replace(/<br\/>|[\s\u00a0\ufeff]+/g, '')
}

/** Intended differences between the two. */
const REASONS: readonly { readonly why: string; readonly holds: (pair: Pair) => boolean }[] = [
  {
    why: 'mailparser reads nothing, or less, where a boundary is wrong or never closed, or a blank line is missing: we read on',
    holds: ({ ours, theirs }) =>
      ours.defects.length > 0 && ours.all.length + 1 >= theirs.all.length && ours.attachments >= theirs.attachments,
  },
  {
    why: 'mailparser writes an inline mail and its header fields into the text of the outer one: we keep it a mail of its own',
    holds: ({ ours, theirs }) =>
      ours.attachments > theirs.attachments && (theirs.text + theirs.html).length > (ours.text + ours.html).length,
  },
  {
    why: 'bytes that break their label, or have none: mailparser writes replacement characters, or reads Japanese where it is UTF-8; we guess',
    holds: ({ ours, theirs }) => /[\ufffd\0]/.test(theirs.text + theirs.html) && !/\ufffd/.test(ours.text + ours.html),
  },
  {
    why: 'ISO-8859-1 is read as its superset windows-1252 (WHATWG), which mailparser does not',
    holds: ({ ours, theirs }) => ours.text.length === theirs.text.length && /[\u0080-\u009f]/.test(theirs.text + theirs.html),
  },
  {
    why: 'mailparser reads no UTF-7, which old Exchange servers write',
    holds: ({ theirs, raw }) => /charset="?[\w-]*utf-7/i.test(raw) && /\+[A-Za-z0-9]{3,}-/.test(theirs.text + theirs.html),
  },
  {
    why: 'parts behind a close delimiter that came too early: mailparser drops them',
    holds: ({ ours, theirs }) => theirs.text !== '' && ours.text.startsWith(theirs.text) && ours.attachments >= theirs.attachments,
  },
  {
    why: 'a boundary that repeats or begins another one, or a delimiter with white space behind it: mailparser reads it as text',
    holds: ({ theirs }) => /--[\w=-]+(?:Content-|$|--)/i.test(theirs.text + theirs.html),
  },
  {
    why: 'a mail that is cut within an attached mail: mailparser drops the attached one',
    holds: ({ ours, theirs, raw }) => ours.all === theirs.all && ours.attachments > theirs.attachments && !raw.trimEnd().endsWith('--'),
  },
  {
    why: 'an embedded mail that begins with blank lines has no header for mailparser: we skip them',
    holds: ({ raw }) => /^\s*\n[A-Z]/.test(raw),
  },
]

function view(mime: MimeMessage, leaves: readonly MimePart[]): View {
  const isBody = (part: MimePart): boolean =>
    part.type.startsWith('text/') && /^text\/(?:plain|html)$/.test(part.type) && part.disposition !== 'attachment'
  const read = (type: string): string =>
    squash(
      leaves
        .filter((part) => isBody(part) && part.type === type)
        .map((part) => decodePartText(mime, part, 1 << 24))
        .join(''),
    )
  const [text, html] = [read('text/plain'), read('text/html')]
  return {
    text,
    html,
    attachments: leaves.filter((part) => !isBody(part) && !part.type.startsWith('multipart/')).length,
    all: text + html,
    defects: mime.defects,
  }
}

function viewOf(mail: ParsedMail): View {
  const text = squash(mail.text ?? '')
  const html = squash(typeof mail.html === 'string' ? mail.html : '')
  return { text, html, attachments: mail.attachments.length, all: text + html, defects: [] }
}

const isMail = (part: MimePart): boolean => /^message\/(?:rfc822|global|news)$/.test(part.type)

function leavesOf(part: MimePart): readonly MimePart[] {
  return isMail(part) || part.children.length === 0 ? [part] : part.children.flatMap(leavesOf)
}

/** The unexplained differences of a message and of its enclosed messages. */
async function compare(name: string, raw: Buffer): Promise<readonly string[]> {
  const mail = await simpleParser(raw, { ...SKIPS, keepDeliveryStatus: true, forceRfc822Attachments: true } as typeof SKIPS).catch(
    () => null,
  )
  if (mail === null) return []
  const mime = parseMime(raw)
  const leaves = leavesOf(mime.root)
  const pair = { ours: view(mime, leaves), theirs: viewOf(mail), raw: raw.toString('latin1') }
  const { ours, theirs } = pair
  const isSame = ours.text === theirs.text && ours.html === theirs.html && ours.attachments === theirs.attachments
  const isExplained = isSame || REASONS.some((reason) => reason.holds(pair))
  const here = isExplained
    ? []
    : [`${name}: ${ours.attachments}/${theirs.attachments} ${theirs.all.slice(0, 80)} | ${ours.all.slice(0, 80)}`]
  const inner = leaves.filter((part) => isMail(part) && part.children.length > 0)
  const below = await Promise.all(inner.map((part) => compare(`${name} >`, Buffer.from(decodePartBytes(mime, part)))))
  return [...here, ...below.flat()]
}

function mailsBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.eml') || /(?:^|\/)emails\//.test(file))
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile())
}

const FOLDERS = [
  { name: 'fixtures', files: mailsBelow(join(ROOT, 'fixtures')) },
  { name: 'corpus', files: mailsBelow(CORPUS) },
]
for (const { name, files } of FOLDERS) if (files.length === 0) console.warn(`differential: no mails in ${name}, skipped`)

test.each(FOLDERS)('finds the same parts and text as mailparser: $name', { timeout: 120_000 }, async ({ files }) => {
  const unexplained: string[] = []
  for (const file of files) unexplained.push(...(await compare(file, readFileSync(file))))
  expect(unexplained).toEqual([])
})
