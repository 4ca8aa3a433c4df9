/**
 * labelled - mails whose kind and cause are known: the corpora if they exist, else our fixtures
 *
 * A corpus is a folder of mails with `labels.jsonl` beside it. Our own fixtures have a .json beside each mail, and fixtures/layouts.txt has
 * its labels in it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mailFolders } from './mails.ts'

export type Label = { readonly kind: string; readonly causes: readonly number[] | null }
export type LabelledMail = { readonly corpus: string; readonly file: string; readonly raw: Buffer; readonly label: Label }

const fixtures = join(import.meta.dirname, '../fixtures')

/** The mails of the corpora; of our fixtures if there is no corpus. */
export function loadCorpora(): readonly LabelledMail[] {
  return mailFolders().flatMap(({ name, folder }) => readFolder(name, folder))
}

/** The mails that we wrote: reports, mails that only resemble them, and the layouts. */
export function loadOwnMails(): readonly LabelledMail[] {
  const folders = ['mails', 'negatives'].flatMap((name) => readFolder(`fixtures: ${name}`, join(fixtures, name)))
  return [...folders, ...readLayouts(readFileSync(join(fixtures, 'layouts.txt'), 'utf8'))]
}

function readFolder(corpus: string, folder: string): readonly LabelledMail[] {
  return [...labelsOf(folder)].map(([file, label]) => ({ corpus, file, raw: readFileSync(join(folder, file)), label }))
}

function readLayouts(text: string): readonly LabelledMail[] {
  const blocks = text.split(/^#### /m).slice(1)
  return blocks.map((block) => {
    const [title = '', ...body] = block.split('\n')
    const [file = '', kind = 'other', , causes = ''] = title.split(';').map((part) => part.trim())
    const label = { kind, causes: causes === '' ? null : causes.split('|').map(Number) }
    return { corpus: 'fixtures: layouts', file, raw: Buffer.from(body.join('\r\n')), label }
  })
}

/** Reads `labels.jsonl` beside the folder, or a .json beside each mail. */
function labelsOf(folder: string): ReadonlyMap<string, Label> {
  const together = join(folder, '../labels.jsonl')
  if (existsSync(together)) {
    const rows: readonly unknown[] = readFileSync(together, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line): unknown => JSON.parse(line))
    return new Map(
      rows.map((row) => [String(field(row, 'file')), { kind: String(field(row, 'kind')), causes: numbers(field(row, 'causes')) }]),
    )
  }
  const mails = readdirSync(folder).filter((file) => file.endsWith('.eml'))
  return new Map(
    mails.map((file) => {
      const row: unknown = JSON.parse(readFileSync(join(folder, file.replace(/eml$/, 'json')), 'utf8'))
      const recipients = field(row, 'recipients')
      const causes = Array.isArray(recipients)
        ? recipients.map((each: unknown) => Number(field(each, 'subStatus')) % 10).filter((digit) => !Number.isNaN(digit))
        : []
      return [file, { kind: String(field(row, 'kind')), causes: causes.length > 0 ? causes : null }]
    }),
  )
}

const field = (row: unknown, name: string): unknown => (typeof row === 'object' && row !== null ? Reflect.get(row, name) : undefined)
const numbers = (value: unknown): readonly number[] | null => (Array.isArray(value) ? value.map(Number) : null)
