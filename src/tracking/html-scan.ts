/**
 * html-scan - where the links, the start and the end of the body are in an HTML text
 *
 * The tokenizer of htmlparser2 reports offsets, so that nothing has to be parsed into a tree and written again. Comments, scripts, styles and
 * elements whose content is not markup contain no links; Outlook's conditional comments are comments.
 *
 * Pure, total, linear. HTML Living Standard, 13.2.5 (tokenization). See also: tracking/html-edits.
 */
import { QuoteType, Tokenizer, type TokenizerCallbacks } from 'htmlparser2'

export type HtmlLink = {
  /** The offsets of the value of href, without quotes. */
  readonly start: number
  readonly end: number
  /** The value with character references resolved. */
  readonly href: string
  /** Whether the element has the attribute data-no-track. */
  readonly isMarked: boolean
}

export type HtmlScan = {
  /** The first href of each `a` and `area`, in document order. */
  readonly links: readonly HtmlLink[]
  /** Where content can be added at the end of the body; null: what is added there would not be read as markup. */
  readonly bodyEnd: number | null
  /** Where content can be added at the start of the body. */
  readonly bodyStart: number
  /** The attribute lang of the root element. */
  readonly language: string | null
}

const LINK_ELEMENTS: ReadonlySet<string> = new Set(['a', 'area'])
/** Browsers read the content of these elements as text. The tokenizer itself knows script, style, title and textarea. */
const RAW_TEXT_ELEMENTS: ReadonlySet<string> = new Set(['xmp', 'iframe', 'noembed', 'noframes', 'plaintext'])
const NO_TRACK = 'data-no-track'
/** It shows whether markup behind the text would be read as markup. */
const SENTINEL = '<z>'

type Attribute = { readonly name: string; readonly nameEnd: number; value: string; end: number }
type Tag = { readonly name: string; readonly start: number; readonly attributes: Map<string, Attribute> }

/** The closest known place to the start of the body, and its rank in BODY_STARTS. */
type BodyStart = { readonly offset: number; readonly rank: number }

/** What ends where content may begin, from the vaguest to the surest. */
const BODY_STARTS = ['declaration', 'html', 'head', 'body'] as const

type ScanState = {
  readonly source: string
  readonly links: HtmlLink[]
  /** The offset of the last end tag of each name. */
  readonly endTags: Map<string, number>
  tag: Tag | null
  attribute: Attribute | null
  rawTextElement: string | null
  language: string | null
  bodyStart: BodyStart
  /** The offset of the last start tag. */
  lastTagStart: number
}

/**
 * Scans a text. `decodeValue` converts each piece of an attribute value that is free of character references; null: text in Unicode. Total.
 */
export function scanHtml(text: string, decodeValue: ((piece: string) => string) | null): HtmlScan {
  const state: ScanState = {
    source: text + SENTINEL,
    links: [],
    endTags: new Map(),
    tag: null,
    attribute: null,
    rawTextElement: null,
    language: null,
    bodyStart: { offset: 0, rank: -1 },
    lastTagStart: -1,
  }
  const tokenizer = new Tokenizer({ xmlMode: false, decodeEntities: true }, createCallbacks(state, decodeValue ?? ((piece) => piece)))
  tokenizer.write(state.source)
  tokenizer.end()
  const { links, endTags, language, lastTagStart, rawTextElement, bodyStart } = state
  const isOpenAtEnd = rawTextElement === null && lastTagStart === text.length
  const bodyEnd = endTags.get('body') ?? endTags.get('html') ?? (isOpenAtEnd ? text.length : null)
  return { links, bodyEnd, bodyStart: Math.min(bodyStart.offset, text.length), language }
}

const ignore = (): void => undefined

function createCallbacks(state: ScanState, decodeValue: (piece: string) => string): TokenizerCallbacks {
  const { source } = state
  const append = (piece: string): void => {
    if (state.attribute !== null) state.attribute.value += piece
  }
  return {
    onopentagname: (start, end) => {
      state.lastTagStart = start - 1
      state.tag = { name: source.slice(start, end).toLowerCase(), start, attributes: new Map() }
    },
    onattribname: (start, end) => {
      state.attribute = { name: source.slice(start, end).toLowerCase(), nameEnd: end, value: '', end }
    },
    onattribdata: (start, end) => append(decodeValue(source.slice(start, end))),
    onattribentity: (codepoint) => append(String.fromCodePoint(codepoint)),
    onattribend: (quote, end) => endAttribute(state, quote === QuoteType.Single || quote === QuoteType.Double ? end - 1 : end),
    onopentagend: (end) => endTag(state, end + 1),
    onselfclosingtag: (end) => endTag(state, end + 1),
    onclosetag: (start, end) => closeElement(state, source.slice(start, end).toLowerCase(), { start: start - 2, end: end + 1 }),
    oncdata: ignore,
    oncomment: ignore,
    ondeclaration: (_start, end) => noteBodyStart(state, 'declaration', end + 1),
    onend: ignore,
    onprocessinginstruction: ignore,
    ontext: ignore,
    ontextentity: ignore,
  }
}

/** The first of several attributes of a name counts. */
function endAttribute({ tag, attribute }: ScanState, end: number): void {
  if (tag === null || attribute === null || tag.attributes.has(attribute.name)) return
  attribute.end = end
  tag.attributes.set(attribute.name, attribute)
}

/** The first place of the highest rank counts. */
function noteBodyStart(state: ScanState, what: (typeof BODY_STARTS)[number], offset: number): void {
  const rank = BODY_STARTS.indexOf(what)
  if (rank > state.bodyStart.rank) state.bodyStart = { offset, rank }
}

function endTag(state: ScanState, end: number): void {
  const { tag } = state
  state.tag = null
  if (tag === null || state.rawTextElement !== null) return
  if (tag.name === 'html' || tag.name === 'body') noteBodyStart(state, tag.name, end)
  if (RAW_TEXT_ELEMENTS.has(tag.name)) state.rawTextElement = tag.name
  if (tag.name === 'html') state.language ??= tag.attributes.get('lang')?.value ?? null
  const href = LINK_ELEMENTS.has(tag.name) ? tag.attributes.get('href') : undefined
  if (href === undefined || href.end <= href.nameEnd) return
  const start = valueStartOf(state.source, href.nameEnd)
  state.links.push({ start, end: href.end, href: href.value, isMarked: tag.attributes.has(NO_TRACK) })
}

function closeElement(state: ScanState, name: string, { start, end }: { readonly start: number; readonly end: number }): void {
  if (state.rawTextElement === null && name === 'head') noteBodyStart(state, 'head', end)
  if (state.rawTextElement === null) state.endTags.set(name, start)
  else if (state.rawTextElement === name) state.rawTextElement = null
}

/** The value behind the name of an attribute, the equals sign and an opening quote. */
function valueStartOf(source: string, nameEnd: number): number {
  const match = /\s*=\s*["']?/y
  match.lastIndex = nameEnd
  return match.test(source) ? match.lastIndex : nameEnd
}
