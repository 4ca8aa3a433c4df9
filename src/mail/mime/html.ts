/**
 * html - converts an HTML body to lines of text
 *
 * Walks the tags once: blocks, table cells and list items break lines, scripts, styles and comments are removed, entities are decoded.
 * Links
 * and images leave only their text. The library html-to-text builds a tree and takes 300 µs for the HTML of an ordinary bounce, 20 times
 * as
 * long as this walk, so it only decodes rare entities.
 *
 * Pure, total, linear in the input. See also: mail/mime/content, mail/message-parts.
 */
import { convert } from 'html-to-text'

/** Longer HTML is cut. The diagnostics of a bounce come first. */
const MAX_HTML = 262_144
/** Bound for the entities that the library decodes in one text. */
const MAX_RARE_ENTITIES = 50

const LINE_BREAK_ELEMENTS = new Set(
  (
    'address article aside blockquote body br caption center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html ' +
    'legend li main nav ol option p pre section table tbody td tfoot th thead tr ul'
  ).split(' '),
)
/** Elements with invisible content. An element without an end tag hides nothing. */
const HIDDEN_ELEMENTS: Readonly<Record<string, RegExp>> = Object.fromEntries(
  ['script', 'style', 'title', 'template', 'xml', 'object', 'svg'].map((name) => [name, new RegExp(`</${name}[\\s>]`, 'gi')]),
)
/** A tag; not an address in angle brackets or a single less-than sign. */
const TAG = /<\/?([a-zA-Z][a-zA-Z0-9:-]{0,30})(?=[\s/>])/y

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  ensp: ' ',
  emsp: ' ',
  thinsp: ' ',
  zwnj: '',
  zwj: '',
  shy: '',
  auml: 'ä',
  ouml: 'ö',
  uuml: 'ü',
  Auml: 'Ä',
  Ouml: 'Ö',
  Uuml: 'Ü',
  szlig: 'ß',
  eacute: 'é',
  egrave: 'è',
  ecirc: 'ê',
  agrave: 'à',
  aacute: 'á',
  acirc: 'â',
  atilde: 'ã',
  oacute: 'ó',
  otilde: 'õ',
  iacute: 'í',
  uacute: 'ú',
  ccedil: 'ç',
  ntilde: 'ñ',
  rsquo: '’',
  lsquo: '‘',
  ldquo: '“',
  rdquo: '”',
  laquo: '«',
  raquo: '»',
  ndash: '–',
  mdash: '—',
  hellip: '…',
  bull: '•',
  middot: '·',
  copy: '©',
  reg: '®',
  trade: '™',
}

/**
 * Converts HTML to text: one line per block, white space folded, no consecutive empty lines, at most `cap` characters. Total.
 *
 *     htmlToText('<p>550 5.1.1<br>No such user &lt;a@example.com&gt;') → '550 5.1.1\nNo such user <a@example.com>'
 */
export function htmlToText(html: string, cap = MAX_HTML): string {
  const source = html.length > MAX_HTML ? html.slice(0, MAX_HTML) : html
  const out: string[] = []
  const unclosed = new Set<string>()
  let inPre = 0
  let at = 0
  while (at < source.length) {
    const open = source.indexOf('<', at)
    const words = source.slice(at, open < 0 ? source.length : open)
    if (words !== '') out.push(inPre > 0 ? words : words.replace(/[\s\u200b]+/g, ' '))
    if (open < 0) break
    const name = readTagName(source, open)
    if (name === null) {
      out.push('<')
      at = open + 1
      continue
    }
    if (LINE_BREAK_ELEMENTS.has(name)) out.push('\n')
    if (name === 'pre') inPre = source.charAt(open + 1) === '/' ? 0 : 1
    at = name === '' ? findMarkupEnd(source, open, unclosed) : skipElement(source, { name, open, unclosed })
  }
  return collapseWhitespaceLines(decodeEntities(out.join(''))).slice(0, cap)
}

/** The lower-case name of the tag at an offset, '' for comments and declarations, null for text. */
function readTagName(source: string, open: number): string | null {
  const next = source.charAt(open + 1)
  if (next === '!' || next === '?') return ''
  TAG.lastIndex = open
  return TAG.exec(source)?.[1]?.toLowerCase() ?? null
}

function findMarkupEnd(source: string, open: number, unclosed: Set<string>): number {
  const terminator = source.startsWith('<!--', open) ? '-->' : '>'
  const close = unclosed.has(terminator) ? -1 : source.indexOf(terminator, open + 2)
  if (close >= 0) return close + terminator.length
  unclosed.add(terminator)
  // A comment without an end would hide the rest of the message, so only its opening is skipped.
  return open + 4
}

function skipElement(source: string, tag: { name: string; open: number; unclosed: Set<string> }): number {
  const end = findTagEnd(source, tag.open)
  const closing = source.charAt(tag.open + 1) === '/' ? undefined : HIDDEN_ELEMENTS[tag.name]
  if (closing === undefined || tag.unclosed.has(tag.name)) return end
  closing.lastIndex = end
  const close = closing.exec(source)
  if (close !== null) return close.index
  tag.unclosed.add(tag.name)
  return end
}

/** Offset after the `>` that ends a tag; one inside a quoted attribute does not count. Without any, after the name. */
function findTagEnd(source: string, open: number): number {
  const first = source.indexOf('>', open)
  if (first < 0) return source.length
  const quotes = source.slice(open, first)
  if (!quotes.includes('"') || quotes.split('"').length % 2 === 1) return first + 1
  // Attributes are shorter than 2,000 characters, except inline images.
  const quote = source.slice(first, first + 2_000).indexOf('"')
  const second = quote < 0 ? -1 : source.indexOf('>', first + quote)
  return second < 0 ? first + 1 : second + 1
}

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  let rareCount = 0
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,30}));?/g,
    (all: string, decimal?: string, hex?: string, name?: string) => {
      if (name === undefined) return decodeCodePoint(decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal))
      if (Object.hasOwn(ENTITIES, name)) return ENTITIES[name] ?? all
      if (!all.endsWith(';') || ++rareCount > MAX_RARE_ENTITIES) return all
      return decodeRareEntity(all)
    },
  )
}

function decodeRareEntity(entity: string): string {
  try {
    return convert(entity)
  } catch {
    return entity
  }
}

function decodeCodePoint(point: number): string {
  if (point === 160) return ' '
  if (point === 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return '\ufffd'
  return String.fromCodePoint(point)
}

function collapseWhitespaceLines(text: string): string {
  const lines: string[] = []
  for (const line of text.split('\n')) {
    const bare = line.replace(/[\s\u00a0\u200b]+/g, ' ').trim()
    if (bare !== '' || (lines.length > 0 && lines.at(-1) !== '')) lines.push(bare)
  }
  return lines.join('\n').trim()
}
