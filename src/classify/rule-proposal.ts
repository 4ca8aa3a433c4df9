/**
 * rule-proposal - a first version of a rule for a reply, for a person to finish
 *
 * The phrase is the longest run of words in the shape of the reply, the hit is the reply with addresses replaced by reserved ones, and the
 * miss is the reply of another rule that is most like it. The reason is the one that the present rules give.
 *
 * Pure, total. See also: classify/reply-shape, classify/rule-check, docs/RULES.md.
 */
import { normaliseText } from './phrase.ts'
import type { Reason } from './reasons.ts'
import { replyShape } from './reply-shape.ts'
import { textOfEvidence } from './rule-evidence.ts'
import type { RuleTable } from './rule-table.ts'
import type { Verdict } from './verdict.ts'

type RuleProposal = {
  readonly id: string
  readonly provider: string
  readonly reason: Reason
  readonly says: readonly string[]
  readonly hits: readonly string[]
  readonly misses: readonly string[]
  /** The same as a rule file. */
  readonly toml: string
}

/** More words than these make a phrase that matches one mail only. */
const MAX_PHRASE_WORDS = 8
const MAX_HIT_LENGTH = 400

/** Proposes a rule for a reply. `verdict` is the present one. Total. */
export function proposeRule(
  table: RuleTable,
  reply: { readonly code: number | null; readonly status: string | null; readonly text: string },
  verdict: Verdict,
): RuleProposal {
  const phrase = longestWordRun(reply.text)
  const provider = verdict.evidence.provider ?? 'common'
  const hit = [reply.code, reply.status, withReservedNames(reply.text)]
    .filter((part) => part !== null && part !== '')
    .join(' ')
    .slice(0, MAX_HIT_LENGTH)
  const fields = {
    id: proposeId(table, `own-${provider}-${phrase}`),
    provider,
    reason: verdict.reason,
    says: [phrase],
    hits: [hit],
    misses: [mostSimilarReply(table, reply.text, phrase)],
  }
  return { ...fields, toml: toToml(fields) }
}

/** An id in kebab-case that no rule has. A phrase without Latin letters leaves the provider. */
function proposeId(table: RuleTable, name: string): string {
  const base = name
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 56)
    .replace(/-+$/, '')
  const taken = new Set(table.rules.map(({ id }) => id))
  for (let n = 1; ; n++) {
    const id = n === 1 ? base : `${base}-${n}`
    if (!taken.has(id)) return id
  }
}

/** The longest run of plain words. A placeholder ends a run, and so does punctuation. */
function longestWordRun(text: string): string {
  const runs = replyShape(text)
    .replaceAll(/<(?:url|address|ip|host|id)>|[245]\.\d+\.\d+|#/g, '\n')
    .split(/[^\p{L}\p{M}' -]+/u)
    .map((run) => run.trim().split(/\s+/).slice(0, MAX_PHRASE_WORDS).join(' '))
  const [longest = ''] = runs.toSorted((a, b) => b.length - a.length)
  return longest.length < 2 ? 'the words of the reply' : normaliseText(longest)
}

/** Evidence names nobody: RFC 2606, RFC 5737. */
function withReservedNames(text: string): string {
  return text
    .replaceAll(/[^\s<>"'(),;:=[\]]{1,128}@[a-z0-9.-]{1,253}/gi, 'user@example.com')
    .replaceAll(/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, '192.0.2.1')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function mostSimilarReply(table: RuleTable, text: string, phrase: string): string {
  const words = new Set(normaliseText(text).split(/\W+/))
  const candidates = table.rules
    .flatMap(({ hits }) => hits.map(textOfEvidence))
    .filter((each) => !normaliseText(each).includes(phrase))
    .map((each) => ({
      each,
      shared: normaliseText(each)
        .split(/\W+/)
        .filter((word) => word.length > 3 && words.has(word)).length,
    }))
  const best = candidates.reduce<{ each: string; shared: number } | null>(
    (top, next) => (top === null || next.shared > top.shared ? next : top),
    null,
  )
  return best?.each ?? '250 2.0.0 OK'
}

/** JSON strings are TOML basic strings. */
function toToml({ id, provider, reason, says, hits, misses }: Omit<RuleProposal, 'toml'>): string {
  const list = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(', ')}]`
  return [
    `provider = ${JSON.stringify(provider)}`,
    '',
    '[[rule]]',
    `id = ${JSON.stringify(id)}`,
    `reason = ${JSON.stringify(reason)}`,
    `says = ${list(says)}`,
    `hits = ${list(hits)}`,
    `misses = ${list(misses)}`,
    '',
  ].join('\n')
}
