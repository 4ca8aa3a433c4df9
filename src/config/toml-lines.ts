/**
 * toml-lines - the line of each key of a TOML file, for messages to its author
 *
 * The parser says what a file contains, not where. This file finds the lines of tables and keys in a text that the parser has accepted; a key inside an inline table
 * has the line of that table. See also: config/shaping-files.
 */
import { parse } from 'smol-toml'

type LineFinder = (path: readonly string[]) => number

const HEADER = /^\s*\[\[?(.+?)\]\]?\s*(?:#.*)?$/
const KEY = /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/

const joinPath = (path: readonly string[]): string => JSON.stringify(path)

/** The names of a dotted key; null for text that is none. The parser reads it, so quotes and escapes are its own. */
function namesOf(key: string): readonly string[] | null {
  try {
    const names: string[] = []
    for (let value: unknown = parse(`${key} = 1`); typeof value === 'object' && value !== null;) {
      const [name, inner]: readonly [string, unknown] = Object.entries(value)[0] ?? ['', null]
      names.push(name)
      value = inner
    }
    return names
  } catch {
    return null
  }
}

/** Finds the line of a path, or of the nearest table around it; 1 where none has a line. Lines are counted from 1. */
export function findLines(text: string): LineFinder {
  const lines = new Map<string, number>()
  let table: readonly string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const header = HEADER.exec(line)?.[1]
    const names = namesOf(header ?? KEY.exec(line)?.[1] ?? '')
    if (names === null) continue
    if (header !== undefined) table = names
    const [outer, own] = header === undefined ? [table, names] : [[], names]
    for (let length = 1; length <= own.length; length++) {
      const path = joinPath([...outer, ...own.slice(0, length)])
      if (!lines.has(path)) lines.set(path, index + 1)
    }
  }
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const line = lines.get(joinPath(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return 1
  }
}
