/**
 * page-language - the language of a page for a recipient, from the Accept-Language header
 *
 * Pure. RFC 9110 §12.5.4, RFC 4647 §3.4 (lookup). See also: http/tracking/page-texts.
 */

/** Browsers send about ten ranges. */
const MAX_RANGES = 32
const MAX_HEADER_LENGTH = 1_000

/** Tags that have another name than our table. Chinese is told apart by script, or by the regions that write it in the traditional one. */
const ALIASES: Readonly<Record<string, string>> = {
  no: 'nb',
  nn: 'nb',
  iw: 'he',
  zh: 'zh-cn',
  'zh-hans': 'zh-cn',
  'zh-hant': 'zh-tw',
  'zh-hk': 'zh-tw',
  'zh-mo': 'zh-tw',
}

/**
 * The best of the known languages, or the first one if none is accepted. Total.
 *
 *     pickLanguage('fr-CH, fr;q=0.9, en;q=0.8', ['en', 'fr']) → 'fr'
 */
export function pickLanguage(header: string | undefined, known: readonly [string, ...string[]]): string {
  const names = new Map(known.map((name) => [name.toLowerCase(), name]))
  for (const range of readRanges(header ?? ''))
    for (const tag of prefixesOf(range)) {
      const name = names.get(tag) ?? names.get(ALIASES[tag] ?? '')
      if (name !== undefined) return name
    }
  return known[0]
}

/** The language ranges in lower case, the most wanted first. */
function readRanges(header: string): readonly string[] {
  return header
    .slice(0, MAX_HEADER_LENGTH)
    .toLowerCase()
    .split(',', MAX_RANGES)
    .map((part) => {
      const [range = '', ...parameters] = part.split(';').map((each) => each.trim())
      const quality = parameters.map((each) => /^q\s*=\s*([01](?:\.\d{0,3})?)$/.exec(each)?.[1]).find((each) => each !== undefined)
      return { range, quality: Number(quality ?? '1') }
    })
    .filter(({ quality }) => quality > 0)
    .toSorted((a, b) => b.quality - a.quality)
    .map(({ range }) => range)
}

/** A range and its shorter forms, the longest first. */
function prefixesOf(range: string): readonly string[] {
  const subtags = range.split('-', 4)
  return subtags.map((_, n) => subtags.slice(0, subtags.length - n).join('-'))
}
