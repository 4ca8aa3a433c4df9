/**
 * mail-sources.test - reading mails from files, folders, mbox files, Maildirs and standard input
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countSources, readSources } from '../../src/import/mail-sources.ts'

const A = 'From: a@example.com\r\n\r\nfirst\r\n'
const B = 'From: b@example.com\r\n\r\nsecond\r\n'
const MBOX =
  'From a@example.com Fri Nov 20 10:00:00 2026\nSubject: one\n\nhello\n>From here on\n>>From there\n\nFrom b@example.com Fri Nov 20 11:00:00 2026\nSubject: two\n\nFrom the start\n'

function folder(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'bounced-source-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

async function mails(paths: readonly string[], stdin = ''): Promise<readonly string[]> {
  const found: string[] = []
  for await (const mail of readSources(paths, Readable.from([Buffer.from(stdin)]))) found.push(Buffer.from(mail.raw).toString())
  return found
}

test('a file, a folder in name order, nested folders', async () => {
  const root = folder({ 'b.eml': B, 'a.eml': A, 'deep/c.eml': A, '.hidden': B, 'a.json': '{}', 'README.md': 'x' })
  expect(await mails([join(root, 'b.eml')])).toEqual([B])
  expect(await mails([root])).toEqual([A, B, A])
  expect(await countSources([root, '-'])).toBe(4)
})

test('a Maildir yields cur and new, never tmp', async () => {
  const root = folder({ 'cur/1:2,S': A, 'new/2': B, 'tmp/3': 'half', 'cur/.x': B })
  expect(await mails([root])).toEqual([A, B])
})

test('an mbox is split at its From lines and unquoted, never inside a paragraph', async () => {
  const root = folder({ inbox: MBOX })
  const want = ['Subject: one\n\nhello\nFrom here on\n>From there\n\n', 'Subject: two\n\nFrom the start\n']
  expect((await mails([join(root, 'inbox')])).slice(0, 1)).toEqual(want.slice(0, 1))
  expect(await mails(['-'], MBOX)).toEqual(await mails([join(root, 'inbox')]))
})

test('standard input that is not an mbox is one mail', async () => {
  expect(await mails(['-'], A)).toEqual([A])
  expect(await mails(['-'], '')).toEqual([])
})

test('a missing path is a fault that names it', async () => {
  await expect(mails(['/nowhere/at/all'])).rejects.toMatchObject({ code: 'not_found', message: '/nowhere/at/all: no such file or folder' })
})

test('mails written as an mbox are read back unchanged', async () => {
  const line = fc.string({ maxLength: 30 }).map((text) => text.replaceAll(/[\r\n]/g, ' '))
  const mail = fc
    .array(fc.oneof(line, fc.constantFrom('From x', '>From y', '')), { minLength: 1, maxLength: 6 })
    .map((lines) => `Subject: s\n\n${lines.join('\n')}\n`)
  await fc.assert(
    fc.asyncProperty(fc.array(mail, { minLength: 1, maxLength: 5 }), async (all) => {
      const mbox = all.map((each) => `From a@example.com Fri Nov 20 10:00:00 2026\n${each.replaceAll(/^(>*From )/gm, '>$1')}\n`).join('')
      expect(await mails(['-'], mbox)).toEqual(all.map((each) => `${each}\n`))
    }),
    { numRuns: 100 },
  )
})
