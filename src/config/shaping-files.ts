/**
 * shaping-files - reads the shaping of receiving sites from disk: the shipped file, with the operator's in front
 *
 * See also: config/shaping.toml (the data), queue/shaping/shaping-file (the grammar), daemon/delivery/shaping-watch (reads a changed file again).
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { Fault } from '../errors.ts'
import { invalidFile } from '../invalid-file.ts'
import { readShapingFile, type ShapingFile } from '../queue/shaping/shaping-file.ts'
import { findLines } from './toml-lines.ts'
import { buildShapingTable, type ShapingTable } from '../queue/shaping/shaping-table.ts'

const SHIPPED_SHAPING = join(import.meta.dirname, 'shaping.toml')

/** Builds the table. `own` null: there is no file of the operator. Throws Fault config_invalid with the file and each invalid line. */
export const loadShaping = (own: string | null): ShapingTable =>
  buildShapingTable({ shipped: readFile(SHIPPED_SHAPING, 'shaping.toml'), own: own === null ? null : readFile(own, own) })

/** Parses the text of one file. Throws Fault config_invalid with each invalid line. */
export function parseShapingFile(file: string, text: string): ShapingFile {
  try {
    return readShapingFile(file, parse(text), findLines(text))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    const line = cause instanceof TomlError ? cause.line : 1
    throw invalidFile(file, [`line ${line}: ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : 'cannot be read'}`])
  }
}

function readFile(path: string, name: string): ShapingFile {
  try {
    return parseShapingFile(name, readFileSync(path, 'utf8'))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('config_invalid', `${path}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, {
      cause,
      detail: { file: path },
    })
  }
}

/** Changes whenever the file is written. Empty if it cannot be read. */
export function shapingFileSignature(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path)
    return `${mtimeMs}:${size}:${ino}`
  } catch {
    return ''
  }
}
