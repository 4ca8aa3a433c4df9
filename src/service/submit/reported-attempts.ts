/**
 * reported-attempts - what senders that deliver themselves have heard in their SMTP dialogues
 *
 * The same classification as for reports, with `asynchronous: false`. One transaction for all attempts of a request; telling one twice
 * changes nothing. An emailId that the account does not have is answered `known: false` and leaves nothing behind.
 *
 * See also: ledger/decide/attempt, http/api/attempts.
 */
import { siteOf } from '../../classify/provider.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { decideAttempt, type Heard } from '../../ledger/decide/attempt.ts'
import type { AttemptError, FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { parseReply } from '../../mail/smtp/reply.ts'
import { doorKey, loadWorld } from '../../store/facts/ledger-state.ts'
import { tellAlarms } from '../alarm-log.ts'
import { commitWorld } from '../commit.ts'
import { verdictOf } from '../deliver/attempt-reading.ts'
import type { Asker } from './register.ts'
import type { Shop } from '../context.ts'

export type AttemptCall = {
  readonly emailId: string
  readonly code: number | null
  readonly text: string
  readonly error: AttemptError | null
  readonly mx: string | null
  readonly egressIp: string | null
  readonly attempt: number | null
  readonly final: boolean | null
  /** When it was heard; null: now. */
  readonly at: number | null
}

/** `known` false: no mail of the account has this emailId. `fresh` false: it was recorded before. */
export type AttemptAnswer = {
  readonly emailId: string
  readonly known: boolean
  readonly fresh: boolean
  readonly final: boolean
  readonly status: number | null
  readonly subStatus: number | null
  readonly reason: string | null
  readonly permanence: string | null
  readonly rule: string | null
}

export type TellAttempts = (by: Asker, calls: readonly AttemptCall[]) => Promise<readonly AttemptAnswer[]>

/** Makes the door. Faults of a call: store_busy. */
export function createAttempts(shop: Shop): TellAttempts {
  return async (by, calls) => {
    const page = await shop.book.open()
    const settings = page.settingsOf(by.account)
    const now = shop.now()
    const { answers, fresh } = await shop.engine.tx(async (db) => {
      const emailIds = [...new Set(calls.map(({ emailId }) => emailId))].map((emailId) => ({ account: by.account, emailId }))
      const { world, byEmailId } = await loadWorld(db, { emailIds, history: true, shared: settings.sharedList, sitesAt: now })
      const told = calls.map((call) => {
        const id = byEmailId.get(doorKey(by.account, call.emailId))?.deliveryId
        const delivery = id === undefined ? undefined : world.deliveries.get(id)
        if (delivery === undefined) return unknown(call)
        const moment = { at: Math.min(call.at ?? now, now), receivedAt: now, ids: shop.ids }
        const heard = heardOf(shop, delivery, call)
        const verdict = call.code !== null && call.code < 300 ? null : verdictOf(shop.rules(), delivery.domain, heard)
        const facts = decideAttempt({ world, delivery, heard, verdict, settings, moment })
        applyFacts(world, facts)
        const fact = facts.find((each): each is FactOf<'attempt'> => each.kind === 'attempt')
        return answerOf(call, world.deliveries.get(delivery.deliveryId) ?? delivery, { fact: fact ?? null, verdict })
      })
      await commitWorld(db, world, { now, notify: () => true })
      return { answers: told, fresh: world.fresh }
    })
    tellAlarms(shop.telemetry, fresh)
    shop.watch.count(fresh)
    for (const { status } of answers) shop.telemetry.count('bounced_attempts_total', { outcome: String(status ?? 'unknown') })
    return answers
  }
}

function heardOf(shop: Shop, delivery: DeliveryRow, call: AttemptCall): Heard {
  const reply = parseReply(call.code === null ? call.text : `${call.code} ${call.text}`)
  return {
    n: call.attempt,
    code: call.code,
    status: reply.status,
    text: call.text,
    error: call.error,
    mx: call.mx,
    egressIp: call.egressIp,
    site: siteOf(shop.rules(), { mx: call.mx, domain: delivery.domain }).site,
    final: call.final,
    source: 'api',
  }
}

function answerOf(
  call: AttemptCall,
  row: DeliveryRow,
  { fact, verdict }: { fact: FactOf<'attempt'> | null; verdict: Verdict | null },
): AttemptAnswer {
  return {
    emailId: call.emailId,
    known: true,
    fresh: fact !== null,
    final: fact?.data.final ?? row.status !== 18,
    status: row.status,
    subStatus: row.subStatus,
    reason: verdict?.reason ?? null,
    permanence: verdict?.permanence ?? null,
    rule: verdict?.rule ?? null,
  }
}

function unknown({ emailId }: AttemptCall): AttemptAnswer {
  return { emailId, known: false, fresh: false, final: false, status: null, subStatus: null, reason: null, permanence: null, rule: null }
}
