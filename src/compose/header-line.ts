/**
 * header-line - header fields as lines: taken apart, folded, and safe whatever a value holds
 *
 * A value never ends its line by itself: controls become spaces before it is folded, so that no value begins a field of its own. A word that no
 * line may hold is broken. Texts are bytes, one a character, or plain ASCII.
 *
 * Pure, total, linear. RFC 5322 §2.1.1, §2.2.3. See also: compose/rewrite-mime, compose/substitute.
 */

/** `name` in lower case; `text` is the whole field with its folds, without its last line end. */
export type HeaderFieldLine = { readonly name: string; readonly text: string }

/** RFC 5322 §2.1.1: should, and must. */
const RECOMMENDED_LINE_LENGTH = 78
export const MAX_LINE_LENGTH = 998
/** What a field may become with variables put in, in characters: more is text in the wrong place, and costs each send. */
export const MAX_SUBSTITUTED_HEADER_LENGTH = 16_384
const HEADER_FIELD = /^([!-9;-~]{1,200})[ \t]*:/
// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000a-\u001f\u007f]+/g

/** Fields of a header block with CR LF line ends. A line that is neither field nor fold is left out. */
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

/** The value of a field on one line. */
export const fieldValueOf = ({ text }: HeaderFieldLine): string =>
  text
    .slice(text.indexOf(':') + 1)
    .replaceAll('\r\n', '')
    .trim()

/** The name as it is written. */
export const fieldNameOf = ({ text }: HeaderFieldLine): string => text.slice(0, text.indexOf(':')).trimEnd()

/** A value whose every word fits into a line with its name. */
export const breakLongWords = (value: string): string => value.replaceAll(/[^ \t]{900}(?=[^ \t])/g, '$& ')

/**
 * A field with its folds, without its last line end. Unfolded it is the value again, but for controls and for words that are too long.
 *
 *     foldField('Subject', 'a\r\nBcc: x') → 'Subject: a Bcc: x'
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

/** The same field, folded again where one of its lines is longer than a line may be. */
export function refoldHeaderField(field: HeaderFieldLine): string {
  const isLong = field.text.split('\r\n').some((line) => line.length > MAX_LINE_LENGTH)
  return isLong ? foldHeaderField(fieldNameOf(field), fieldValueOf(field)) : field.text
}
