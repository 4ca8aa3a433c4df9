/**
 * rotated-logs - the files of a log that is rotated, and which of them a position is in
 *
 * Rotated files have the log's name with a number or a date: `mail.log.1`, `mail.log-20261129`, `acct-2026-11-29.csv`, also with `.gz`. A compressed file
 * is read from a copy that no name leads to.
 *
 * See also: import/log-file, logrotate(8).
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { LogPosition } from '../store/mail/followed-logs.ts'

/** An open file of a log. */
export type LogCopy = {
  readonly path: string
  /** Fewer bytes than asked for: the end of the file. */
  readonly read: (offset: number, bytes: number) => Promise<Buffer>
  readonly stat: () => Promise<FileState>
  readonly close: () => Promise<void>
}

type FileState = { readonly ino: number; readonly size: number; readonly mtimeMs: number }

/** Opens a file, decompressed if its name ends in `.gz`. Throws as `open` does. */
export async function openLog(path: string): Promise<LogCopy> {
  const handle = path.endsWith('.gz') ? await openDecompressed(path) : await open(path)
  return {
    path,
    read: async (offset, bytes) => {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(bytes), 0, bytes, offset)
      return buffer.subarray(0, bytesRead)
    },
    stat: () => handle.stat(),
    close: () => handle.close(),
  }
}

async function openDecompressed(path: string): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'bounced-log-'))
  try {
    const copy = join(folder, 'log')
    await pipeline(createReadStream(path), createGunzip(), createWriteStream(copy, { mode: 0o600 }))
    return await open(copy)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Null: there is no such file. */
export async function openLogIfPresent(path: string): Promise<LogCopy | null> {
  try {
    return await openLog(path)
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** Null: there is no such file. */
export async function statIfPresent(path: string): Promise<FileState | null> {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

type RotatedLog = { readonly path: string; readonly mtimeMs: number; readonly ino: number }

const ROTATION = /^[.-]\d[\d.T_-]{0,30}$/

/** The rotated files of a log, the oldest first. */
export async function listRotated(path: string): Promise<readonly RotatedLog[]> {
  const extension = extname(path)
  const [name, stem] = [basename(path), basename(path, extension)]
  const isRotated = (each: string): boolean => {
    const plain = each.endsWith('.gz') ? each.slice(0, -3) : each
    if (plain.startsWith(name)) return ROTATION.test(plain.slice(name.length))
    return (
      extension !== '' && plain.startsWith(stem) && plain.endsWith(extension) && ROTATION.test(plain.slice(stem.length, -extension.length))
    )
  }
  const names = (await readdir(dirname(path)).catch(() => [])).filter(isRotated)
  const found = await Promise.all(
    names.map(async (each) => {
      const file = join(dirname(path), each)
      const state = await statIfPresent(file)
      return state === null ? [] : [{ path: file, mtimeMs: state.mtimeMs, ino: state.ino }]
    }),
  )
  return found.flat().toSorted((a, b) => a.mtimeMs - b.mtimeMs || (a.path < b.path ? 1 : -1))
}

/** Enough to tell two logs apart: several lines with their times. */
const MAX_HEAD_BYTES = 1_024

/** The position at an offset of a file. */
export async function positionAt(file: LogCopy, offset: number): Promise<LogPosition> {
  const headBytes = Math.min(offset, MAX_HEAD_BYTES)
  return { offset, head: await headOf(file, headBytes), headBytes }
}

/** Whether a position is in this file. */
export async function hasPosition(file: LogCopy, { offset, head, headBytes }: LogPosition): Promise<boolean> {
  const { size } = await file.stat()
  return size >= offset && (await headOf(file, headBytes)) === head
}

async function headOf(file: LogCopy, bytes: number): Promise<string> {
  const head = bytes === 0 ? Buffer.alloc(0) : await file.read(0, bytes)
  return createHash('sha256').update(head).digest('hex').slice(0, 32)
}
