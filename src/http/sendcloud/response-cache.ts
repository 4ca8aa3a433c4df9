/**
 * response-cache - an answer that is given again to the same question of the same account
 *
 * The vendor keeps the answers of emailStatus for 10 minutes, so its clients ask often. `vendor` does just that; `fresh` gives an answer again
 * only while the store has not changed since, so that nobody is told what is no longer so; `off` asks the store each time. Bounded in
 * bytes; the answers of each account are its own.
 *
 * See also: settings/compatible, store/engine/commit-stamp.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Envelope } from './envelope.ts'

export const ANSWER_RULES = ['fresh', 'vendor', 'off'] as const
export type AnswerRule = (typeof ANSWER_RULES)[number]

/** The question: whose, and all that its answer depends on. */
export type Question = { readonly account: number; readonly parts: readonly unknown[] }

export type Answers = { readonly remember: (question: Question, ask: () => Promise<Envelope>) => Promise<Envelope> }

export type AnswerOptions = { readonly rule: AnswerRule; readonly now: () => number; readonly stamp: () => Promise<string> }

/** The vendor's time. */
export const KEPT_MS = 10 * 60_000

/** Some hundreds of the largest answers (100 mails of 500 bytes), or thousands of short ones. */
const MAX_BYTES = 16 * 1024 * 1024

type Kept = { readonly envelope: Envelope; readonly at: number; readonly stamp: string }

export function createAnswers({ rule, now, stamp }: AnswerOptions): Answers {
  if (rule === 'off') return { remember: (_, ask) => ask() }
  const kept = new LRUCache<string, Kept>({ maxSize: MAX_BYTES, sizeCalculation: ({ envelope }) => JSON.stringify(envelope).length + 200 })
  // Asked before the store is: what is committed meanwhile makes the answer old at once.
  const stampNow = rule === 'fresh' ? stamp : (): Promise<string> => Promise.resolve('')
  return {
    remember: async ({ account, parts }, ask) => {
      const key = `${account}:${createHash('sha256').update(JSON.stringify(parts)).digest('base64')}`
      const at = now()
      const current = await stampNow()
      const known = kept.get(key)
      if (known !== undefined && known.stamp === current && at >= known.at && at - known.at < KEPT_MS) return known.envelope
      const envelope = await ask()
      if (envelope.result) kept.set(key, { envelope, at, stamp: current })
      return envelope
    },
  }
}
