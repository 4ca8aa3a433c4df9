/**
 * header-line - header fields as lines: split, folded, and safe whatever a value contains
 *
 * A value cannot end its line: control characters become spaces before folding, so that no value starts a field of its own. A word that
 * does not fit into a line is broken. Texts are bytes with one character each, or plain ASCII.
 *
 * Pure, total, linear. RFC 5322 §2.1.1, §2.2.3. See also: compose/rewrite-mime, compose/substitute.
 */

/** `name` is in lower case. `text` is the whole field with its folds, without its last line end. */
export type HeaderFieldLine = { readonly name: string; readonly text: string }

/** RFC 5322 §2.1.1: lines should not exceed 78 characters, and must not exceed 998. */
const RECOMMENDED_LINE_LENGTH = 78
export const MAX_LINE_LENGTH = 998
/** The longest field after substitution, in characters. More is text in the wrong place, and costs time at each send. */
export const MAX_SUBSTITUTED_HEADER_LENGTH = 16_384
const HEADER_FIELD = /^([!-9;-~]{1,200})[ \t]*:/
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000a-\u001f\u007f]+/g

/** The fields of a header block with CRLF line ends. A line that is neither a field nor a fold is dropped. */
export function splitHeaderFields(block: string): readonly HeaderFieldLine[] {
  const fields: { name: string; lines: string[] }[] = []
  let isField = false
  for (const line of block.split('\r\n')) {
    const name = HEADER_FIELD.exec(line)?.[1]
    if (/^[ \t]/.test(line)) {
      if (isField && line.trim() !== '') fields.at(-1)?.lines.push(line)
      continue
    }
    isField = name !== undefined
    if (name !== undefined) fields.push({ name: name.toLowerCase(), lines: [line] })
  }
  return fields.map(({ name, lines }) => ({ name, text: lines.join('\r\n') }))
}

/** The value of a field, unfolded. */
export const fieldValueOf = ({ text }: HeaderFieldLine): string =>
  text
    .slice(text.indexOf(':') + 1)
    .replaceAll('\r\n', '')
    .trim()

/** The name of a field as written. */
export const fieldNameOf = ({ text }: HeaderFieldLine): string => text.slice(0, text.indexOf(':')).trimEnd()

/** Breaks words that do not fit into one line. */
export const breakLongWords = (value: string): string => value.replaceAll(/[^ \t]{900}(?=[^ \t])/g, '$& ')

/**
 * Formats a field with folds, without its last line end. Unfolding it gives the value again, except for control characters and for words
 * that are too long.
 *
 *     foldHeaderField('X-A', 'a\r\nBcc: x') → 'X-A: a Bcc: x'
 */
export function foldHeaderField(name: string, value: string): string {
  const words = breakLongWords(value.replaceAll(CONTROL_CHARACTERS, ' ')).trim().split(' ')
  const lines: string[] = []
  let line = `${name}:`
  for (const word of words) {
    if (
      word !== '' &&
      line.length + 1 + word.length > RECOMMENDED_LINE_LENGTH &&
      line.trim() !== '' &&
      lines.length + line.length > name.length + 1
    ) {
      lines.push(line)
      line = ` ${word}`
    } else line += ` ${word}`
  }
  return [...lines, line].join('\r\n')
}

/** The same field, folded again if one of its lines is too long. */
export function refoldHeaderField(field: HeaderFieldLine): string {
  const isLong = field.text.split('\r\n').some((line) => line.length > MAX_LINE_LENGTH)
  return isLong ? foldHeaderField(fieldNameOf(field), fieldValueOf(field)) : field.text
}
