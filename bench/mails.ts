/**
 * mails - the mails to measure with: the corpus if it exists, else our fixtures
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const option = process.argv.find((word) => word.startsWith('--corpora='))
const corpus = option === undefined ? join(root, '../shared/corpus') : option.slice('--corpora='.length)

/** Folders of .eml files with their titles. `--corpora=FOLDER` names another folder of corpora. */
export function mailFolders(): readonly { readonly name: string; readonly folder: string }[] {
  if (!existsSync(corpus)) return [{ name: 'fixtures', folder: join(root, 'fixtures/mails') }]
  const names = readdirSync(corpus).filter((name) => existsSync(join(corpus, name, 'emails')))
  return names.map((name) => ({ name, folder: join(corpus, name, 'emails') }))
}

/** Reads every mail of those folders. */
export function loadMails(): readonly Buffer[] {
  return mailFolders().flatMap(({ folder }) => readdirSync(folder).map((file) => readFileSync(join(folder, file))))
}
