/**
 * rule-editor - reads, writes and removes single files of the operator's rule folder, and keeps their earlier versions
 *
 * A write is atomic: a temporary file beside it, flushed, then renamed. The version before it is kept in `.versions`, which the loader does
 * not read. A link is never followed: a file in the folder that is not a regular file is refused.
 *
 * See also: config/rule-folder (the loader's reader), service/rules/rule-files (checks, reloads, audits).
 */
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../errors.ts'

/** `version` is a digest of the text. */
export type StoredRuleFile = { readonly file: string; readonly text: string; readonly version: string; readonly modifiedAt: number }

/** An earlier version; `at` is when another one replaced it. */
export type RuleFileVersion = { readonly version: string; readonly at: number }

const VERSIONS_FOLDER = '.versions'
/** A few kilobytes each. */
const MAX_VERSIONS = 50
const VERSION_NAME = /^(\d{13})-([0-9a-f]{12})\.toml$/

/** The version of a text. */
const ruleTextVersion = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)

/** Lists the files of a folder, by name. Faults: conflict (the folder cannot be read). */
export function listRuleFiles(folder: string): readonly StoredRuleFile[] {
  const names = withFolder(folder, () => readdirSync(folder).filter((name) => name.endsWith('.toml')))
  return names.toSorted().flatMap((name) => findRuleFile(folder, name) ?? [])
}

/** Reads one file; null: there is none. Faults: conflict (it is not a regular file). */
export function findRuleFile(folder: string, file: string): StoredRuleFile | null {
  const path = join(folder, file)
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return null
  if (!stat.isFile()) throw new Fault('conflict', `${file} is not a regular file: edit it where it is`)
  const text = withFolder(folder, () => readFileSync(path, 'utf8'))
  return { file, text, version: ruleTextVersion(text), modifiedAt: Math.floor(stat.mtimeMs) }
}

/** Replaces a file, or removes it (`text` null), and keeps what it was. Faults: conflict (the folder cannot be written). */
export function replaceRuleFile(folder: string, file: string, text: string | null, now: number): void {
  const previous = findRuleFile(folder, file)
  withFolder(folder, () => {
    if (previous !== null && previous.text !== text) keepVersion(folder, previous, now)
    if (text === null) rmSync(join(folder, file), { force: true })
    else writeAtomically(join(folder, file), text)
  })
}

function keepVersion(folder: string, { file, text, version }: StoredRuleFile, now: number): void {
  const kept = join(folder, VERSIONS_FOLDER, file)
  mkdirSync(kept, { recursive: true, mode: 0o700 })
  writeAtomically(join(kept, `${String(now).padStart(13, '0')}-${version}.toml`), text)
  const names = readdirSync(kept)
    .filter((name) => VERSION_NAME.test(name))
    .toSorted()
  for (const name of names.slice(0, -MAX_VERSIONS)) rmSync(join(kept, name), { force: true })
}

function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  const handle = openSync(temporary, 'w', 0o600)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(temporary, path)
}

/** The earlier versions of a file, newest first. */
export function listRuleFileVersions(folder: string, file: string): readonly RuleFileVersion[] {
  return versionNames(folder, file).map(([, at = '0', version = '']) => ({ version, at: Number(at) }))
}

/** The text of an earlier version; null: it is not kept. */
export function findRuleFileVersion(folder: string, file: string, version: string): string | null {
  const [name] = versionNames(folder, file).find((found) => found[2] === version) ?? []
  return name === undefined ? null : readFileSync(join(folder, VERSIONS_FOLDER, file, name), 'utf8')
}

function versionNames(folder: string, file: string): readonly RegExpExecArray[] {
  const kept = join(folder, VERSIONS_FOLDER, file)
  if (lstatSync(kept, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  return readdirSync(kept)
    .toSorted()
    .toReversed()
    .flatMap((name) => [VERSION_NAME.exec(name)])
    .filter((found) => found !== null)
}

function withFolder<Result>(folder: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('conflict', 'the rule folder (rules.folder) cannot be read or written', { cause, detail: { folder } })
  }
}
