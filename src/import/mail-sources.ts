/**
 * mail-sources - reads mails from files, folders, mbox files, Maildirs and standard input, one at a time
 *
 * Reads a folder in the order of its names, so that every replay has the same order. Skips `tmp` of a Maildir (`cur`, `new`, `tmp`).
 * Recognises an mbox by its first line, whatever its name. Holds one mail in memory, not a whole mailbox.
 *
 * mbox: RFC 4155, with `>From ` unquoted (mboxrd). See also: import/recovered-envelope, import/replay.
 */
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Fault } from '../errors.ts'

/** `name`: the path of the file, followed by `#n` for the nth mail of an mbox. */
export type SourceMail = { readonly name: string; readonly raw: Uint8Array }

/** A larger mail is truncated; the daemon keeps less of it anyway. Bytes. */
const MAX_MAIL_BYTES = 64 * 1_048_576

/** A longer line is passed on in pieces, which bounds memory and copying. Bytes. */
const MAX_LINE_BYTES = 1_048_576

/** Yields every mail under the paths; `-` is standard input. Faults: not_found (a path does not exist). */
export async function* readSources(paths: readonly string[], stdin: Readable): AsyncGenerator<SourceMail> {
  for (const path of paths) {
    if (path === '-') yield* readStream('-', stdin)
    else yield* readPath(path)
  }
}

/** Files in a folder that are not mails. A file given as a path itself is always read. */
const NOT_MAIL_EXTENSION = /\.(?:json|jsonl|ndjson|md|toml|ya?ml|gz|zip|ts|js)$/i

/** Estimates the number of mails under the paths for a progress bar: an mbox counts as one. Faults: not_found. */
export async function countSources(paths: readonly string[]): Promise<number> {
  let count = 0
  for (const path of paths) count += path === '-' ? 1 : (await filesUnder(path)).length
  return count
}

async function* readPath(path: string): AsyncGenerator<SourceMail> {
  for (const file of await filesUnder(path)) {
    if (await isMbox(file)) yield* readStream(file, createReadStream(file), true)
    else yield { name: file, raw: await readFile(file) }
  }
}

async function filesUnder(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new Fault('not_found', `${path}: no such file or folder`, { cause })
  })
  if (!found.isDirectory()) return [path]
  const entries = (await readdir(path, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const isMaildir = ['cur', 'new', 'tmp'].every((name) => entries.some((entry) => entry.isDirectory() && entry.name === name))
  const files: string[] = []
  for (const entry of entries) {
    if (entry.name.startsWith('.') && !isMaildir) continue
    if (isMaildir && entry.name === 'tmp') continue
    const child = join(path, entry.name)
    if (entry.isDirectory()) files.push(...(await filesUnder(child)))
    else if (entry.isFile() && !NOT_MAIL_EXTENSION.test(entry.name)) files.push(child)
  }
  return files
}

async function isMbox(file: string): Promise<boolean> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4_096), 0, 4_096, 0)
    const head = buffer.subarray(0, bytesRead).toString('latin1')
    return /^From \S+ .*\d\d:\d\d/.test(head.slice(0, 200)) && !file.endsWith('.eml')
  } finally {
    await handle.close()
  }
}

/** Splits a stream at its `From ` lines when it begins with one. Otherwise yields the whole stream as one mail. */
async function* readStream(name: string, stream: Readable, isKnownMbox = false): AsyncGenerator<SourceMail> {
  let lines: Buffer[] = []
  let size = 0
  let index = 0
  let isMboxFile = isKnownMbox
  let isFirstLine = true
  let isAfterBlankLine = true
  const nextMail = (): SourceMail => ({ name: isMboxFile ? `${name}#${++index}` : name, raw: Buffer.concat(lines) })
  for await (const line of linesOf(stream)) {
    const isFrom = line.subarray(0, 5).toString('latin1') === 'From '
    if (isFirstLine) isMboxFile ||= isFrom
    if (isMboxFile && isFrom && isAfterBlankLine) {
      if (!isFirstLine) yield nextMail()
      lines = []
      size = 0
    } else if (size < MAX_MAIL_BYTES) {
      const unquoted = isMboxFile ? unquote(line) : line
      lines.push(unquoted)
      size += unquoted.length
    }
    isFirstLine = false
    isAfterBlankLine = line.length <= 2 && line.toString('latin1').trim() === ''
  }
  if (!isFirstLine) yield nextMail()
}

/** Removes one `>` from `>From `, `>>From ` and so on (mboxrd). */
function unquote(line: Buffer): Buffer {
  let depth = 0
  while (line[depth] === 0x3e) depth++
  return depth > 0 && line.subarray(depth, depth + 5).toString('latin1') === 'From ' ? line.subarray(1) : line
}

/** Yields lines with their line endings. A line over {@link MAX_LINE_BYTES} is passed on in pieces. */
async function* linesOf(stream: Readable): AsyncGenerator<Buffer> {
  let remainder = Buffer.alloc(0)
  for await (const chunk of stream) {
    remainder = Buffer.concat([remainder, Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))])
    let start = 0
    for (let end = remainder.indexOf(10, start); end >= 0; end = remainder.indexOf(10, start)) {
      yield remainder.subarray(start, end + 1)
      start = end + 1
    }
    remainder = Buffer.from(remainder.subarray(start))
    if (remainder.length > MAX_LINE_BYTES) {
      yield remainder
      remainder = Buffer.alloc(0)
    }
  }
  if (remainder.length > 0) yield remainder
}
