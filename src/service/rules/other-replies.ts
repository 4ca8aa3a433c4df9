/**
 * other-replies - the most frequent replies that no rule knows, grouped by shape
 *
 * Reads the newest failures with the reason `other`, a bounded number in all, by the index of failed deliveries.
 *
 * See also: classify/reply-shape, store/mail/other-failures, http/api/rules/rule-workbench.
 */
import { replyShape } from '../../classify/reply-shape.ts'
import { DAY_MS } from '../../ledger/suppress/address-history.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { listOtherFailures, type OtherFailure } from '../../store/mail/other-failures.ts'
import type { Context } from '../context.ts'

type ReplyGroup = {
  readonly shape: string
  readonly n: number
  readonly lastAt: number
  readonly sites: readonly string[]
  /** Local parts of addresses are masked. */
  readonly samples: readonly { readonly emailId: string | null; readonly domain: string; readonly at: number; readonly text: string }[]
}

type OtherReplies = {
  /** Failures that were read; at most {@link MAX_READ}. */
  readonly read: number
  readonly isComplete: boolean
  readonly groups: readonly ReplyGroup[]
}

export type GroupOtherReplies = (query: {
  /** Null: all accounts. */
  readonly account: number | null
  readonly days: number
  readonly limit: number
}) => Promise<OtherReplies>

/** Some 10 ms for a thousand. */
const MAX_READ = 10_000
const SAMPLES = 3
const SITES = 5

/** Creates the function. Faults of a call: store_busy. */
export function createGroupOtherReplies({ engine, accountCache, now }: Context): GroupOtherReplies {
  return async ({ account, days, limit }) => {
    const since = now() - days * DAY_MS
    const accounts = account === null ? (await accountCache.snapshot()).accounts.map((each) => each.account) : [account]
    const failures: OtherFailure[] = []
    for (const each of accounts) {
      if (failures.length >= MAX_READ) break
      failures.push(...(await listOtherFailures(engine.bulkRead, each, { since, limit: MAX_READ - failures.length })))
    }
    const groups = [...Map.groupBy(failures, ({ text }) => replyShape(text))].map(toGroup)
    return {
      read: failures.length,
      isComplete: failures.length < MAX_READ,
      groups: groups.toSorted((a, b) => b.n - a.n || b.lastAt - a.lastAt).slice(0, limit),
    }
  }
}

function toGroup([shape, failures]: readonly [string, readonly OtherFailure[]]): ReplyGroup {
  const newest = failures.toSorted((a, b) => b.at - a.at)
  return {
    shape,
    n: failures.length,
    lastAt: newest[0]?.at ?? 0,
    sites: [...new Set(newest.map(({ site, domain }) => site ?? domain))].slice(0, SITES),
    samples: newest.slice(0, SAMPLES).map(({ emailId, domain, at, text }) => ({ emailId, domain, at, text: redactLocalParts(text) })),
  }
}
