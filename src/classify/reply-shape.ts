/**
 * reply-shape - the shape of a reply: its words, without what differs from mail to mail
 *
 * Addresses, hosts, IP addresses, URLs, ids and numbers become placeholders, so that replies of one wording are counted together.
 *
 *     replyShape('552 5.2.2 <ann@example.com>: box 4711 full (id a8f3-99bc01)')   → '# 5.2.2 <address>: box # full (id <id>)'
 *
 * Pure, total, linear. See also: service/rules/other-replies, classify/rule-proposal.
 */

/** Longer replies differ at their end by what follows the refusal. */
const MAX_SHAPE_LENGTH = 200

/** In order: what an earlier row replaces is not seen by a later one. */
const FOLDS: readonly (readonly [RegExp, string])[] = [
  [/\bhttps?:\/\/[^\s<>"')\]]{1,300}/gi, '<url>'],
  [/<?[^\s<>"'(),;:=[\]]{1,128}@[a-z0-9.-]{1,253}>?/gi, '<address>'],
  [/\[?\b\d{1,3}(?:\.\d{1,3}){3}\b\]?/g, '<ip>'],
  [/\[?\b(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{0,4}){1,4}\b\]?/gi, '<ip>'],
  [/\b[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,8}\.[a-z]{2,24}\b/gi, '<host>'],
  // A letter and a digit in one long word: a queue id, a hash, a message id.
  [/(?<![\w<])(?=[\w.+/=-]{0,79}\d)(?=[\w.+/=-]{0,79}[a-z])[\w.+/=-]{7,80}(?![\w>])/gi, '<id>'],
]
const STATUS_OR_NUMBER = /\b([245]\.\d{1,3}\.\d{1,3})\b|\d{1,40}/g

/** The shape of a reply. Total. */
export function replyShape(text: string): string {
  const folded = FOLDS.reduce((shape, [pattern, placeholder]) => shape.replaceAll(pattern, placeholder), text.slice(0, 512))
  return folded
    .replaceAll(STATUS_OR_NUMBER, (_, status: string | undefined) => status ?? '#')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .toLowerCase()
    .slice(0, MAX_SHAPE_LENGTH)
}
