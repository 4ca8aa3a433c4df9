/**
 * log-file - reads a log file that grows and is rotated, from a stored position
 *
 * A log is rotated by renaming it (the writer begins a new file under its name) or by copying it and truncating it. Either way no line is lost or
 * given twice: a position names its file by the digest of the file's first bytes, so that the file is found under its new name, also after a restart
 * and also if it was compressed since. A last line without its end is left until it is whole, or until its file is finished.
 *
 * See also: import/follow-log, store/mail/followed-logs (LogPosition), logrotate(8).
 */
import { Fault } from '../errors.ts'
import type { LogPosition } from '../store/mail/followed-logs.ts'
import { hasPosition, listRotated, openLog, openLogIfPresent, positionAt, statIfPresent, type LogCopy } from './rotated-logs.ts'

/** Where a log begins that was never read: at its first line, behind its last one, or at the first line of its rotated files. */
export const LOG_STARTS = ['beginning', 'end', 'rotated'] as const
export type LogStart = (typeof LOG_STARTS)[number]

type LogChunk = { readonly lines: readonly string[]; readonly position: LogPosition }

export type LogFileOptions = {
  readonly path: string
  /** Null: never read. */
  readonly position: LogPosition | null
  readonly start: LogStart
  /** False: ends at the end of the file. */
  readonly isFollowing: boolean
  /** Waits until the file may have grown. */
  readonly wait: () => Promise<void>
  readonly isStopped: () => boolean
  /** The stored position is in no file any more; the log is read from its beginning. */
  readonly onLost: () => void
}

/** A file that is read, and how far. */
type Reading = { readonly file: LogCopy; readonly position: LogPosition }

/** About a thousand lines: one transaction each. */
const CHUNK_BYTES = 131_072

/** Gives the lines of a log, in order. Faults: not_found (the file is missing, and is not awaited). */
export async function* readLogFile(options: LogFileOptions): AsyncGenerator<LogChunk> {
  let queue = await begin(options)
  let isQuiet = false
  try {
    while (!options.isStopped()) {
      if (queue.length === 0) queue = await awaitFile(options)
      const [first] = queue
      if (first === undefined) return
      const read = yield* readToEnd(options, first)
      queue = [read.reading, ...queue.slice(1)]
      const next = queue.length > 1 ? queue.slice(1) : await findSuccessors(options, read)
      // The writer may still have the old file open: it is finished when nothing came between two looks.
      const isFinished: boolean = next.length > 0 && (isQuiet || queue.length > 1 || !options.isFollowing || !read.isIntact)
      isQuiet = next.length > 0 && !isFinished && read.chunks === 0
      if (isFinished) {
        yield* restOf(read)
        await read.reading.file.close()
        queue = next
        continue
      }
      await closeAll(next)
      if (!options.isFollowing) {
        // It may be half a line: the position stays before it, and reading it again changes nothing.
        for await (const rest of restOf(read)) yield { ...rest, position: read.reading.position }
        return
      }
      await options.wait()
    }
  } finally {
    await closeAll(queue)
  }
}

/** `isIntact` is false if the file was truncated before the position. */
type EndOfFile = { readonly reading: Reading; readonly isIntact: boolean; readonly chunks: number }

/** Gives the whole lines up to the end of a file. */
async function* readToEnd({ isStopped }: LogFileOptions, reading: Reading): AsyncGenerator<LogChunk, EndOfFile> {
  let { position } = reading
  let chunks = 0
  for (;;) {
    const current = { ...reading, position }
    const isIntact = await hasPosition(reading.file, position)
    const chunk = isIntact && !isStopped() ? await readChunk(current) : null
    if (chunk === null) return { reading: current, isIntact, chunks }
    position = chunk.position
    chunks += 1
    yield chunk
  }
}

async function* restOf({ reading, isIntact }: EndOfFile): AsyncGenerator<LogChunk> {
  const rest = isIntact ? await readRest(reading) : null
  if (rest !== null) yield rest
}

const closeAll = async (readings: readonly Reading[]): Promise<void> => {
  for (const { file } of readings) await file.close()
}

/** Waits for a file that is missing. Empty: reading is stopped. */
async function awaitFile(options: LogFileOptions): Promise<readonly Reading[]> {
  while (!options.isStopped()) {
    if (!options.isFollowing) throw new Fault('not_found', `${options.path}: there is no such file`)
    await options.wait()
    const found = await begin(options)
    if (found.length > 0) return found
  }
  return []
}

/** Where to begin, and the files after it. Empty: there is no file yet. */
async function begin({ path, position, start, onLost }: LogFileOptions): Promise<readonly Reading[]> {
  const current = await openLogIfPresent(path)
  if (position === null) return beginAnew(path, current, start)
  if (current !== null && (await hasPosition(current, position))) return [{ file: current, position }]
  const rotated = await listRotated(path)
  const present = current === null ? [] : [await readingAt(current, 0)]
  for (const [index, { path: file }] of [...rotated.entries()].toReversed()) {
    const copy = await openLog(file)
    if (await hasPosition(copy, position)) return [{ file: copy, position }, ...(await openAll(rotated.slice(index + 1))), ...present]
    await copy.close()
  }
  onLost()
  return present
}

async function beginAnew(path: string, current: LogCopy | null, start: LogStart): Promise<readonly Reading[]> {
  const older = start === 'rotated' ? await openAll(await listRotated(path)) : []
  if (current === null) return older
  return [...older, await readingAt(current, start === 'end' ? await endOfLastLine(current) : 0)]
}

async function endOfLastLine(file: LogCopy): Promise<number> {
  const { size } = await file.stat()
  const from = Math.max(0, size - CHUNK_BYTES)
  const newline = (await file.read(from, size - from)).lastIndexOf(NEWLINE)
  return newline < 0 ? size : from + newline + 1
}

const readingAt = async (file: LogCopy, offset: number): Promise<Reading> => ({ file, position: await positionAt(file, offset) })

async function openAll(files: readonly { readonly path: string }[]): Promise<readonly Reading[]> {
  const readings: Reading[] = []
  for (const { path } of files) readings.push(await readingAt(await openLog(path), 0))
  return readings
}

/** The files after one that was read to its end, if the log was rotated since; they begin with the rest of it where it was copied and truncated. */
async function findSuccessors({ path }: LogFileOptions, { reading, isIntact }: EndOfFile): Promise<readonly Reading[]> {
  const { file, position } = reading
  const [known, now] = [await file.stat(), await statIfPresent(path)]
  if (now === null || now.size === 0 || file.path !== path) return now === null || now.size === 0 ? [] : openPresent(path)
  if (now.ino === known.ino && isIntact) return []
  const rotated = (await listRotated(path)).filter(({ ino }) => ino !== known.ino)
  if (now.ino !== known.ino)
    return [...(await openAll(rotated.filter(({ mtimeMs }) => mtimeMs > known.mtimeMs))), ...(await openPresent(path))]
  for (const { path: copyPath } of rotated.toReversed()) {
    const copy = await openLog(copyPath)
    if (await hasPosition(copy, position)) return [{ file: copy, position }, ...(await openPresent(path))]
    await copy.close()
  }
  return openPresent(path)
}

async function openPresent(path: string): Promise<readonly Reading[]> {
  const file = await openLogIfPresent(path)
  return file === null ? [] : [await readingAt(file, 0)]
}

const NEWLINE = 0x0a

/** The next whole lines; null: there are none yet. */
async function readChunk({ file, position }: Reading): Promise<LogChunk | null> {
  const bytes = await file.read(position.offset, CHUNK_BYTES)
  const end = bytes.lastIndexOf(NEWLINE) + 1
  // A line that fills the chunk is given in pieces, which are nonsense like the line.
  const length = end === 0 && bytes.length === CHUNK_BYTES ? bytes.length : end
  return length === 0 ? null : chunkOf(file, bytes.subarray(0, length), position.offset + length)
}

/** The last line of a finished file, which has no end; null: there is none. */
async function readRest({ file, position }: Reading): Promise<LogChunk | null> {
  const bytes = await file.read(position.offset, CHUNK_BYTES)
  return bytes.length === 0 ? null : chunkOf(file, bytes, position.offset + bytes.length)
}

/** A writer that does not append leaves NULs before its first line when the file is truncated. */
const chunkOf = async (file: LogCopy, bytes: Buffer, offset: number): Promise<LogChunk> => ({
  lines: linesOf(bytes.toString('utf8')),
  position: await positionAt(file, offset),
})

/** The lines of a text, without their ends and without NULs. */
export function linesOf(text: string): readonly string[] {
  const lines = text.replaceAll('\0', '').split('\n')
  return (lines.at(-1) === '' ? lines.slice(0, -1) : lines).map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
}
