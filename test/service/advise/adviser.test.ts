/** adviser.test - attempts that an MTA reports become advice, facts and webhooks, on one node of several and over restarts, on both engines */
import { beforeEach, describe, expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createAdviceApi } from '../../../src/service/advise/advice-api.ts'
import { createAdviser } from '../../../src/service/advise/adviser.ts'
import type { Context } from '../../../src/service/context.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createReportAttempts, type ReportedAttempt } from '../../../src/service/submit/reported-attempts.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { addAdviceInputsForOperator } from '../../../src/store/queue/advice.ts'
import { makeContext, openTestContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const CALL = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {} } as const
const START = Date.parse('2026-11-01T12:00:00Z')
const MINUTE_MS = 60_000
const QQ_LIMIT = '550 Ip frequency limited'
const policy = BACKOFF_POLICIES.default

const callerOf = (account: number) => ({ account, apiUser: `user${account}`, ip: '203.0.113.5' })

describe.each(engines)('$kind', ({ open }) => {
  let engine: Engine
  let clock: Clock
  let context: Context

  beforeEach(async () => {
    ;({ engine } = await open())
    clock = { now: START }
    context = await makeContext(engine, clock, [{}, {}])
  })

  async function register(account: number, recipients: readonly string[]): Promise<readonly string[]> {
    const rows = recipients.map((recipient) => ({ recipient, contactTypes: null }))
    const registered = await createRegister(context)(callerOf(account), { ...CALL, recipients: rows })
    return registered.recipients.map(({ emailId }) => emailId)
  }

  const attemptOf = (emailId: string, over: Partial<ReportedAttempt> = {}): ReportedAttempt => ({
    emailId,
    code: 550,
    text: QQ_LIMIT,
    error: null,
    mx: 'mx3.qq.com',
    egressIp: '192.0.2.1',
    attempt: 1,
    final: false,
    at: null,
    ...over,
  })

  /** Enough refusals to stop the key of the IP. */
  async function refuse(account: number, over: Partial<ReportedAttempt> = {}): Promise<void> {
    const ids = await register(
      account,
      Array.from({ length: 12 }, (_, n) => `u${n}@qq.com`),
    )
    await createReportAttempts(context)(
      callerOf(account),
      ids.map((emailId) => attemptOf(emailId, over)),
    )
  }

  const list = async (account: number | null = 1, since: number | null = null) => {
    const { version, items } = await createAdviceApi(context).list({ account, since })
    return { version, advice: items.map(({ advice }) => advice) }
  }

  const countInputs = async (): Promise<number> => Number((await engine.read.one('select count(*) as n from mta_outcomes'))?.['n'])
  const queueFacts = async (account: number) =>
    (await engine.read.all(`select data from events where account_id = ${account} and kind = 'queue' order by id`)).map((row) =>
      JSON.parse(String(row['data'])),
    )

  test('reported refusals slow an IP down at its site, and the account is told once', async () => {
    await refuse(1)
    const adviser = createAdviser(context, policy)
    await adviser.tick()
    const { advice } = await list()
    expect(advice).toMatchObject([
      {
        scope: { egressIp: '192.0.2.1', senderDomain: null },
        domains: ['qq.com'],
        action: expect.stringMatching(/stop|slow/),
        class: 'ip-rate',
        rule: expect.stringContaining('tencent'),
        evidence: expect.arrayContaining([expect.objectContaining({ code: 550, text: expect.stringContaining('frequency limited') })]),
      },
    ])
    expect((await list(2)).advice).toEqual([])
    expect((await list(null)).advice).toEqual(advice)
    const facts = await queueFacts(1)
    expect(facts).toMatchObject([{ key: advice[0]?.key, source: 'mta', domains: ['qq.com'], class: 'ip-rate' }])
    await adviser.tick()
    expect([await countInputs(), (await queueFacts(1)).length]).toEqual([0, facts.length])
    await adviser.close()
  })

  test('time goes on: a probe, then open, and a reader with `since` hears of it', async () => {
    await refuse(1)
    const adviser = createAdviser(context, policy)
    await adviser.tick()
    const { version } = await list()
    expect((await list(1, version)).advice).toEqual([])
    const states = new Set<string>()
    for (let at = START; at < START + 6 * 60 * MINUTE_MS; at += 5 * MINUTE_MS) {
      clock.now = at
      await adviser.tick()
      for (const { state } of (await list(1, version)).advice) states.add(state)
    }
    expect([...states]).toEqual(expect.arrayContaining(['active']))
    expect((await list()).advice).toEqual([])
    const changed = await list(1, version)
    expect(changed.advice.map(({ action }) => action)).toEqual(['open'])
    expect(changed.version).toBeGreaterThan(version)
    await adviser.close()
  })

  test('an attempt that is reported again, or is old, counts for nothing', async () => {
    const ids = await register(
      1,
      Array.from({ length: 12 }, (_, n) => `u${n}@qq.com`),
    )
    const report = createReportAttempts(context)
    const attempts = ids.map((emailId) => attemptOf(emailId, { at: START - 3_600_000 }))
    await report(callerOf(1), attempts)
    await report(callerOf(1), attempts)
    expect(await countInputs()).toBe(0)
    const adviser = createAdviser(context, policy)
    await adviser.tick()
    expect((await list()).advice).toEqual([])
    await adviser.close()
  })

  test('a restart keeps the advice, and outcomes that came meanwhile are counted once', async () => {
    await refuse(1)
    const first = createAdviser(context, policy)
    await first.tick()
    const before = await list()
    await first.close()
    await refuse(1, { egressIp: '192.0.2.2' })
    const second = createAdviser(await openTestContext(engine, clock), policy)
    await second.tick()
    const after = await list()
    expect(after.advice.map(({ key, since }) => [key, since])).toEqual(
      expect.arrayContaining(before.advice.map(({ key, since }) => [key, since])),
    )
    expect(after.advice.map(({ scope }) => scope.egressIp)).toContain('192.0.2.2')
    expect(await countInputs()).toBe(0)
    await second.close()
  })

  test('of two nodes one works out the advice; the other takes over when it is gone', async () => {
    await refuse(1)
    const [one, two] = [createAdviser(context, policy), createAdviser(await openTestContext(engine, clock), policy)]
    await one.tick()
    await refuse(2)
    await two.tick()
    expect([(await list(1)).advice.length, (await list(2)).advice.length, await countInputs()]).toEqual([1, 0, 1])
    // A node that loses its lease unseen writes nothing.
    await engine.tx((db) => db.run("update queue_lease set until_at = 0 where name = 'advice'"))
    await two.tick()
    expect([(await list(2)).advice.length, await countInputs()]).toEqual([1, 0])
    const facts = (await queueFacts(1)).length
    await refuse(1, { egressIp: '192.0.2.9' })
    await one.tick()
    expect([(await queueFacts(1)).length, await countInputs()]).toEqual([facts, 1])
    await two.tick()
    expect([(await queueFacts(1)).length > facts, await countInputs()]).toEqual([true, 0])
    await Promise.all([one.close(), two.close()])
  })

  test('a person opens a key of the account, and no other', async () => {
    await refuse(1)
    const adviser = createAdviser(context, policy)
    await adviser.tick()
    const [advice] = (await list()).advice
    const api = createAdviceApi(context)
    const request = { actor: 'api:user1', key: advice?.key ?? '', how: 'immediate' } as const
    await expect(api.recover({ ...request, account: 2 })).rejects.toMatchObject({ code: 'not_found' })
    clock.now += MINUTE_MS
    await api.recover({ ...request, account: 1 })
    await adviser.tick()
    expect((await list(1, 0)).advice).toMatchObject([{ state: expect.stringMatching(/active|throttled/) }])
    await adviser.close()
  })

  test('a row that cannot be read is removed, and keeps no other back', async () => {
    await engine.tx((db) =>
      addAdviceInputsForOperator(db, [
        { account: 1, id: '018f0000-0000-7000-8000-000000000001', at: START - 1, data: '{"outcomes":[{}]}' },
        { account: 1, id: '018f0000-0000-7000-8000-000000000002', at: START - 1, data: 'no JSON' },
      ]),
    )
    await refuse(1)
    const adviser = createAdviser(context, policy)
    await adviser.tick()
    expect([(await list()).advice.length, await countInputs()]).toEqual([1, 0])
    await adviser.close()
  })

  test('without reported outcomes nothing is written', async () => {
    const adviser = createAdviser(context, policy)
    await adviser.tick()
    expect(await engine.read.one("select 1 as n from queue_lease where name = 'advice'")).toBeNull()
    await adviser.close()
  })
})
