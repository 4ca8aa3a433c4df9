/**
 * click-target - the URL that a tracked link redirects to
 *
 * A target is an absolute http or https URL in printable ASCII, so that it can stand in a Location header as it is. A link that is not
 * tracked stays as the sender wrote it: other schemes, relative links, fragments, and links with placeholders that another program fills.
 *
 * Pure, total. WHATWG URL. See also: tracking/tracking-link.
 */

/** Twice the longest link of ours: enough for any target that fits into one, with white space around it. */
const MAX_HREF_LENGTH = 4_000
const REDIRECT_TARGET = /^https?:\/\/[!-~]+$/i
/** Placeholders of template languages and of other senders' tools. */
const PLACEHOLDER = /\{\{|\}\}|\{%|%\}|%%|\*\||\|\*|<%|%>|\[\[|\]\]|\$\{|@@/
/** What URL parsers remove around a URL. */
const OUTER_SPACE = /^[\u0000-\u0020]+|[\u0000-\u0020]+$/g
const CONTROL = /[\u0000-\u001F\u007F]/

/** Whether a redirect may lead here. */
export const isRedirectTarget = (target: string): boolean => REDIRECT_TARGET.test(target) && URL.canParse(target)

/**
 * The target of a link, from the value of its href with character references resolved. Null: the link is not tracked.
 *
 *     clickTargetOf('https://example.com/a b') → 'https://example.com/a%20b'
 *     clickTargetOf('mailto:joe@example.com')  → null
 */
export function clickTargetOf(href: string): string | null {
  if (href.length > MAX_HREF_LENGTH) return null
  const url = href.replaceAll(OUTER_SPACE, '')
  if (!/^https?:\/\//i.test(url) || CONTROL.test(url) || PLACEHOLDER.test(url) || !URL.canParse(url)) return null
  // A URL that needs no escape stays as it is, because some servers tell spellings apart.
  const target = REDIRECT_TARGET.test(url) ? url : new URL(url).href
  return isRedirectTarget(target) ? target : null
}
