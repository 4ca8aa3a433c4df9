/**
 * advice - what an MTA that keeps its own queue should do now, and Recover
 *
 * An account sees the advice to its own MTA; the operator sees that of all accounts. A reader that polls sends `If-None-Match`, or `since` with the
 * `version` of the answer before, and then also learns which keys are open again.
 *
 * See also: service/advise/advice-api, queue/advice/advice, docs/ADVICE.md.
 */
import { z } from 'zod'
import { ADVICE_ACTIONS } from '../../../queue/advice/advice.ts'
import { evidenceFor } from '../../../queue/observe/transition-facts.ts'
import type { AccountAdvice, AdviceApi } from '../../../service/advise/advice-api.ts'
import { actorOf } from '../../../service/caller.ts'
import type { AccountService } from '../../services/accounts.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'

type AdviceRouteDependencies = {
  readonly advice: AdviceApi
  readonly accounts: Pick<AccountService, 'listNames'>
  readonly authorizer: Authorizer
}

const adviceView = z.object({
  account: z.string().nullable().describe('The account whose MTA it is, if the operator lists all accounts'),
  key: z.string(),
  scope: z
    .object({
      egressIp: z.string().nullable(),
      senderDomain: z.string().nullable(),
      site: z.string().nullable().describe('The receiving provider'),
      hosts: z.string().nullable().describe('The MX hosts'),
      domain: z.string().nullable().describe('The recipient domain'),
    })
    .describe('Which mail it is about; null for any'),
  domains: z.array(z.string()).describe('The recipient domains that were reported under the key, the latest last'),
  action: z.enum(ADVICE_ACTIONS).describe('stop: send nothing; slow: keep to perMinute and connections; open: no limit'),
  state: z.enum(['active', 'throttled', 'paused', 'probing', 'recovering']),
  reason: z.string(),
  class: z.string(),
  rule: z.string().nullable().describe('The rule that decided the latest reply'),
  n: z.int().describe('The number of consecutive pauses'),
  since: z.string(),
  until: z.string().nullable().describe('When to send again, a few messages first; null if not stopped, or until somebody presses Recover'),
  perMinute: z.number().nullable().describe('Messages a minute; null for no limit'),
  connections: z.int().nullable().describe('Simultaneous connections; null for no limit'),
  evidence: z.array(z.object({ at: z.string(), code: z.int().nullable(), text: z.string().nullable() })),
})

const listResponse = z.object({
  version: z.int().describe('Pass it as `since` to get what has changed after this answer'),
  advice: z.array(adviceView),
})

const listQuery = strictObject({
  ...operatorQuery,
  since: z.coerce.number().int().min(0).optional().describe('The `version` of the answer before; 0 for all keys that are known'),
})

const recoverBody = strictObject({
  key: z.string().min(1).max(1_000).describe('As `key` of the list'),
  how: z.enum(['immediate', 'probe']).default('immediate').describe('immediate: a tenth of the rate before; probe: five messages first'),
})

const tags = ['queue']

export function addAdviceRoutes(server: HttpServer, { advice, accounts, authorizer }: AdviceRouteDependencies): void {
  const list = { summary: 'List the advice to an MTA with its own queue', tags, querystring: listQuery, response: { 200: listResponse } }
  server.get('/v1/advice', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const account = caller?.account ?? null
    const { version, items } = await advice.list({ account, since: request.query.since ?? null })
    const names = account === null ? await accounts.listNames() : null
    const reader = caller === null || caller.isOperator === true ? 0 : caller.account
    return { version, advice: items.map((item) => toAdviceView(item, names, reader)) }
  })
  const response = { 202: z.object({ key: z.string() }) }
  const recover = { summary: 'Open a key of an MTA', tags, querystring: strictObject(operatorQuery), body: recoverBody, response }
  server.post('/v1/advice/recover', { schema: recover }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { key, how } = request.body
    await advice.recover({ account: caller.account, actor: actorOf(caller), key, how })
    return reply.code(202).send({ key })
  })
}

function toAdviceView(
  { account, advice }: AccountAdvice,
  names: ReadonlyMap<number, string> | null,
  reader: number,
): z.output<typeof adviceView> {
  const { domains, evidence, since, until, scope, ...shown } = advice
  return {
    ...shown,
    scope: { ...scope },
    account: names?.get(account) ?? null,
    domains: [...domains],
    since: toIsoTimestamp(since),
    until: toIsoTimestamp(until),
    evidence: evidenceFor(reader, evidence).map(({ at, code, text }) => ({ at: toIsoTimestamp(at), code, text })),
  }
}
