/**
 * rotated-file - a file of lines that is written in the background and rotated by size
 *
 * Appending never waits and never fails: what the disk does not take, or takes too slowly, is dropped and counted. At `maxBytes` the file becomes FILE.1, FILE.1
 * becomes FILE.2, and the last of `keptFiles` is removed. A file that another program has renamed or removed, such as logrotate, is opened anew with the next line. After
 * a crash or a full disk, a line that was cut off ends where the next one begins.
 *
 * See also: service/deliver/observe/attempt-log.
 */
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { dirname } from 'node:path'

type RotatedFileOptions = {
  readonly path: string
  /** A single line that is longer has a file of its own. */
  readonly maxBytes: number
  /** Besides the current file; 0: none. */
  readonly keptFiles: number
  /** Called with the number of lines that are in the file. */
  readonly onWritten: (lines: number) => void
  /** Called with the number of lines that are lost. `error` null: the disk is too slow. */
  readonly onDropped: (lines: number, error: unknown) => void
}

type RotatedFile = {
  /** Adds one line, without its line end. Never throws. */
  readonly append: (line: string) => void
  /** Writes what is pending, for a few seconds at most, and closes the file. Later lines are dropped. Idempotent; never rejects. */
  readonly close: () => Promise<void>
}

/** Lines in memory. A disk that is this far behind will not catch up. */
const MAX_PENDING_BYTES = 4_194_304

/** A stop must not wait for a disk that does not respond. */
const CLOSE_TIMEOUT_MS = 5_000

/** Other users than the group of the daemon read nothing: lines tell who gets mail from whom. */
const FILE_MODE = 0o640

type OpenFile = { readonly handle: FileHandle; readonly inode: number; size: number; isLineUnfinished: boolean }

type FileState = {
  readonly options: RotatedFileOptions
  pending: Buffer[]
  pendingBytes: number
  file: OpenFile | null
  /** Null: nothing is being written. */
  writing: Promise<void> | null
  isClosed: boolean
}

/** Creates the writer; the file and its folder are made with the first line. */
export function createRotatedFile(options: RotatedFileOptions): RotatedFile {
  const state: FileState = { options, pending: [], pendingBytes: 0, file: null, writing: null, isClosed: false }
  return {
    append: (line) => {
      const bytes = Buffer.from(`${line}\n`)
      if (state.isClosed || state.pendingBytes + bytes.length > MAX_PENDING_BYTES) return options.onDropped(1, null)
      state.pending.push(bytes)
      state.pendingBytes += bytes.length
      state.writing ??= writePending(state)
    },
    close: async () => {
      state.isClosed = true
      const timeout = new AbortController()
      await Promise.race([state.writing, sleep(CLOSE_TIMEOUT_MS, undefined, { signal: timeout.signal, ref: false }).catch(() => undefined)])
      timeout.abort()
      const left = state.pending.length
      if (left > 0) options.onDropped(left, null)
      state.pending = []
      if (state.writing === null) await closeFile(state)
    },
  }
}

/** Never rejects. */
async function writePending(state: FileState): Promise<void> {
  while (state.pending.length > 0) {
    const lines = takeLines(state)
    try {
      await writeLines(state, lines)
      state.options.onWritten(lines.length)
    } catch (error) {
      await closeFile(state)
      state.options.onDropped(lines.length, error)
    }
  }
  state.writing = null
}

/** Takes the pending lines that one file may hold, at least one. */
function takeLines(state: FileState): readonly Buffer[] {
  const { maxBytes } = state.options
  let bytes = 0
  const end = state.pending.findIndex((line, index) => {
    bytes += line.length
    return index > 0 && bytes > maxBytes
  })
  const lines = state.pending.splice(0, end < 0 ? state.pending.length : end)
  for (const { length } of lines) state.pendingBytes -= length
  return lines
}

async function writeLines(state: FileState, lines: readonly Buffer[]): Promise<void> {
  const bytes = Buffer.concat(lines)
  let file = await openCurrent(state)
  if (file.size > 0 && file.size + bytes.length > state.options.maxBytes) {
    await rotate(state)
    file = await openCurrent(state)
  }
  const data = file.isLineUnfinished ? Buffer.concat([Buffer.from('\n'), bytes]) : bytes
  file.isLineUnfinished = true
  await file.handle.appendFile(data)
  file.isLineUnfinished = false
  file.size += data.length
}

/** The file of the path as it is now. */
async function openCurrent(state: FileState): Promise<OpenFile> {
  const { path } = state.options
  const { file } = state
  if (file !== null) {
    const found = await stat(path).catch(() => null)
    if (found !== null && found.ino === file.inode) {
      // Whoever truncates the file (copytruncate) begins anew.
      file.size = found.size
      return file
    }
    await closeFile(state)
  }
  await mkdir(dirname(path), { recursive: true })
  const handle = await open(path, 'a+', FILE_MODE)
  const { size, ino: inode } = await handle.stat()
  const last = size === 0 ? null : (await handle.read(Buffer.alloc(1), 0, 1, size - 1)).buffer
  const opened = { handle, inode, size, isLineUnfinished: last !== null && last[0] !== 0x0a }
  state.file = opened
  return opened
}

/** Renames the file and the earlier ones; the last one goes. */
async function rotate(state: FileState): Promise<void> {
  const { path, keptFiles } = state.options
  await closeFile(state)
  if (keptFiles === 0) return rm(path, { force: true })
  for (let n = keptFiles; n > 1; n -= 1) await renameIfThere(`${path}.${n - 1}`, `${path}.${n}`)
  await rename(path, `${path}.1`)
}

async function renameIfThere(from: string, to: string): Promise<void> {
  const found = await stat(from).catch(() => null)
  if (found !== null) await rename(from, to)
}

async function closeFile(state: FileState): Promise<void> {
  const { file } = state
  state.file = null
  // Some file systems report lost writes here; the lines have been counted as written.
  await file?.handle.close().catch(() => undefined)
}
