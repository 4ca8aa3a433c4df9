/**
 * size-bound - checks before acceptance that a submission can be composed for every recipient
 *
 * It measures once, with the longest text of each variable and section over all recipients. If that combination fits, every recipient's
 * copy fits. A hundred recipients therefore cost little more than one, however large the mail, and no text is built.
 *
 * Pure, total. See also: compose/substitute, compose/rewrite-mime, service/submit/submit.
 */
import type { Composition } from './composition.ts'
import { MAX_SUBSTITUTED_HEADER_LENGTH } from './header-line.ts'
import { findOccurrences, createNameIndex } from './name-index.ts'
import { rewriteMail } from './rewrite-mime.ts'
import {
  createSubstitutionTemplate,
  MAX_SUBSTITUTED_LENGTH,
  measureText,
  substitutedLengthOf,
  type SubstitutionTemplate,
  type Variables,
} from './substitute.ts'

/** The parts of a composition that grow by substitution. */
type SubstitutedContent = Pick<Composition, 'html' | 'plain' | 'subject' | 'fromName' | 'headers' | 'sections' | 'raw'>

/** Whether some recipient's mail might exceed the size limit. */
export function canExceedSizeBound(body: SubstitutedContent, recipients: readonly Variables[]): boolean {
  const longest = longestSubstitutionsOf(body.sections, recipients)
  if (longest.size === 0) return false
  if ([...longest.values()].some((size) => size > MAX_SUBSTITUTED_LENGTH)) return true
  const index = createNameIndex(longest.keys())
  const sizeOf = (text: string): number =>
    text.length > MAX_SUBSTITUTED_LENGTH
      ? Infinity
      : substitutedLengthOf(measureText(index, text, findOccurrences(index, text)), (name) => longest.get(name) ?? 0)
  const { html, plain, subject, fromName, headers, raw } = body
  if ([html, plain].some((text) => text !== null && sizeOf(text) > MAX_SUBSTITUTED_LENGTH)) return true
  if ([subject, fromName ?? '', ...Object.values(headers)].some((text) => sizeOf(text) > MAX_SUBSTITUTED_HEADER_LENGTH)) return true
  return raw !== null && canRewriteExceedBound(Buffer.from(raw, 'base64'), sizeOf)
}

/** A mail that the sender built: its parts together have the limit of one text. */
function canRewriteExceedBound(raw: Buffer, sizeOf: (text: string) => number): boolean {
  let sum = 0
  const substitute = (text: string): string | null => {
    const size = sizeOf(text)
    if (size === text.length) return text
    sum += size
    return sum > MAX_SUBSTITUTED_LENGTH ? null : 'x'.repeat(size)
  }
  return rewriteMail(raw, { fields: {}, droppedFields: [], defaultFields: {}, substitute }) === null
}

/** The greatest length of the text for each name, over all recipients. */
function longestSubstitutionsOf(sections: Variables, recipients: readonly Variables[]): ReadonlyMap<string, number> {
  const longest = new Map<string, number>()
  const templates = new Map<string, SubstitutionTemplate>()
  for (const variables of recipients) {
    const names = Object.keys(variables)
    const key = JSON.stringify(names)
    const template = templates.get(key) ?? createSubstitutionTemplate({ names, sections })
    templates.set(key, template)
    const sizeOf = template.measure(variables)
    for (const name of [...names, ...Object.keys(sections)]) {
      if (name !== '') longest.set(name, Math.max(sizeOf(name), longest.get(name) ?? 0))
    }
  }
  return longest
}
