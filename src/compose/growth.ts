/**
 * growth - whether a request can be composed for every recipient, told before it is taken
 *
 * Tried once, with the longest of what each variable and section becomes for anybody: what holds for that recipient, who need not exist, holds for all.
 * So a hundred recipients cost little more than one, however large the mail.
 *
 * Pure, total. See also: compose/substitute, compose/rewrite, work/submit.
 */
import type { Composition } from './composition.ts'
import { MAX_FILLED } from './fieldline.ts'
import { rewriteMail } from './rewrite.ts'
import { createSubstitute, type Variables } from './substitute.ts'

/** What of a composition grows. */
export type Growing = Pick<Composition, 'html' | 'plain' | 'subject' | 'fromName' | 'headers' | 'sections' | 'raw'>

/** Whether the mail of some recipient may be larger than one may be. */
export function growsTooLarge(body: Growing, recipients: readonly Variables[]): boolean {
  const longest = longestOf(body.sections, recipients)
  if (longest === null) return true
  if (longest.size === 0) return false
  const put = createSubstitute({ variables: Object.fromEntries(longest), sections: {} })
  const { html, plain, subject, fromName, headers, raw } = body
  if ([html, plain].some((text) => text !== null && put(text) === null)) return true
  if ([subject, fromName ?? '', ...Object.values(headers)].some((text) => (put(text)?.length ?? Infinity) > MAX_FILLED)) return true
  return raw !== null && rewriteMail(Buffer.from(raw, 'base64'), { fields: {}, dropped: [], defaults: {}, put }) === null
}

/** What each name becomes at its longest; null: it grows beyond all bounds by itself. */
function longestOf(sections: Variables, recipients: readonly Variables[]): ReadonlyMap<string, string> | null {
  const longest = new Map<string, string>()
  for (const variables of recipients) {
    const put = createSubstitute({ variables, sections })
    for (const name of [...Object.keys(variables), ...Object.keys(sections)]) {
      const text = put(name)
      if (text === null) return null
      if (text.length > (longest.get(name)?.length ?? -1)) longest.set(name, text)
    }
  }
  return longest
}
