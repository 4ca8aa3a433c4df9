/** reclassify.test - a reclassification says what it would change, changes exactly that, and can be taken back, on both engines */
import { beforeEach, describe, expect, test } from 'vitest'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import type { Context } from '../../../src/service/context.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createReclassificationService, type ReclassificationService } from '../../../src/service/reclassify/reclassifications.ts'
import { createReclassifier } from '../../../src/service/reclassify/reclassifier.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createReportAttempts } from '../../../src/service/submit/reported-attempts.ts'
import { insertEndpoint } from '../../../src/service/notify/endpoint-changes.ts'
import { createVault } from '../../../src/config/vault.ts'
import { makeWebhookSecret } from '../../../src/webhook/signature.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import type { ReclassificationRow } from '../../../src/store/reclassifications.ts'
import { makeContext, MASTER, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const CALL = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {} } as const
const CALLER = { account: 1, apiUser: 'one', ip: '203.0.113.5' }

/** A reply that no shipped rule knows, and a draft that knows it. */
const STRANGE = '550 the zorgle of this box is gone'
const draft = (reason: string, id = 'draft-zorgle'): { file: string; text: string }[] => [
  {
    file: 'draft.toml',
    text: `provider = "common"
[[rule]]
id = "${id}"
reason = "${reason}"
says = ["zorgle of this box"]
hits = ["${STRANGE}"]
misses = ["550 the zorgle is fine"]
`,
  },
]

describe.each(engines)('reclassification: $kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let clock: Clock
  let service: ReclassificationService
  beforeEach(async () => {
    ;({ engine } = await open())
    clock = { now: T0 }
    context = await makeContext(engine, clock)
    service = createReclassificationService(context, () => undefined)
  })

  async function bounce(names: readonly string[], reply: string, status = '5.0.0'): Promise<readonly string[]> {
    const receiver = createReceiver(context, { prover: async () => NO_AUTHENTICATION_RESULTS, dryRun: false, notifyReplays: false })
    const recipients = names.map((name) => ({ recipient: `${name}@example.org`, contactTypes: null }))
    const made = await createRegister(context)(CALLER, { ...CALL, recipients })
    clock.now += 1_000
    for (const [n, { returnPath, recipient }] of made.recipients.entries())
      await receiver.submit(
        makeIncomingMail(ndr({ token: returnPath.split('@')[0] ?? '', recipient: recipient ?? '', reply, status, n }), returnPath, {
          at: clock.now,
          receivedAt: clock.now,
        }),
      )
    clock.now += 1_000
    return made.recipients.map(({ emailId }) => emailId)
  }

  /** Runs queued jobs to their end. */
  async function finish(jobId: string): Promise<ReclassificationRow> {
    const reclassifier = createReclassifier(context)
    await reclassifier.tick()
    await reclassifier.close()
    return service.find(jobId)
  }

  const request = (options: Partial<Parameters<ReclassificationService['request']>[0]> = {}): Promise<ReclassificationRow> =>
    service.request({ actor: 'op', since: null, onlyAccount: null, ...options })

  async function check(options: Partial<Parameters<ReclassificationService['request']>[0]>): Promise<ReclassificationRow> {
    return finish((await request(options)).jobId)
  }

  async function apply(jobId: string, lists: 'none' | 'remove' | 'add' | 'all' = 'none', webhooks = false): Promise<ReclassificationRow> {
    clock.now += 1_000
    await service.apply(jobId, 'chief', { lists, webhooks })
    return finish(jobId)
  }

  const rows = () => engine.read.all('select recipient, status, sub_status, reason, rule, status_at from deliveries order by recipient')
  const statuses = async () => (await rows()).map((row) => `${String(row['reason'])} ${Number(row['sub_status'])}`)
  const bounceList = () =>
    engine.read.all(
      "select account_id, address, removed_at, pending, n, until_at, rule from suppressions where list = 'bounce' order by address",
    )
  const inForce = async () => (await bounceList()).filter((row) => row['removed_at'] === null && row['pending'] === 0).length
  const differences = async () => (await rebuild(context, { check: true, onProgress: () => undefined })).differences
  const factCount = async () => Number((await engine.read.one("select count(*) as n from events where kind = 'reclassified'"))?.['n'])

  test('the rules in force change nothing', async () => {
    await bounce(['a', 'b'], STRANGE)
    await bounce(['c'], '550 5.1.1 No such user here', '5.1.1')
    const job = await check({})
    expect(job).toMatchObject({ state: 'checked', error: null, preview: { examined: 3, changed: 0, unreadable: 0, groups: [] } })
    expect(await apply(job.jobId, 'all')).toMatchObject({ state: 'applied', outcome: { changed: 0 } })
    expect(await factCount()).toBe(0)
  })

  test('a dry run says what would change, by account and list, with both verdicts, and changes nothing', async () => {
    await bounce(['a', 'b'], STRANGE)
    const before = await rows()
    const job = await check({ draft: draft('not-exist') })
    expect(job.preview).toMatchObject({ examined: 2, changed: 2 })
    expect(job.preview.groups).toEqual([
      {
        account: 1,
        from: { status: 4, subStatus: 409, reason: 'other', permanence: 'permanent' },
        to: { status: 4, subStatus: 406, reason: 'not-exist', permanence: 'permanent' },
        n: 2,
        deliveries: 2,
      },
    ])
    expect(job.preview.lists).toEqual([{ account: 1, action: 'add', n: 2 }])
    expect(job.samples).toHaveLength(2)
    expect(job.samples[0]).toMatchObject({
      domain: 'example.org',
      from: { rule: expect.any(String), reason: 'other' },
      to: { rule: 'draft-zorgle', matched: ['zorgle of this box'], table: job.tableVersion },
      isStatusChanged: true,
    })
    expect(await rows()).toEqual(before)
    expect(await factCount()).toBe(0)
    expect(await differences()).toEqual([])
  })

  test('applied with statuses only, then undone: each time the projections are those of the facts', async () => {
    await bounce(['a', 'b'], STRANGE)
    const before = await rows()
    const job = await check({ draft: draft('not-exist') })
    expect(await apply(job.jobId)).toMatchObject({ state: 'applied', outcome: { examined: 2, changed: 2, lists: [] } })
    expect(await statuses()).toEqual(['not-exist 406', 'not-exist 406'])
    expect((await rows()).map((row) => row['status_at'])).toEqual(before.map((row) => row['status_at']))
    expect(await bounceList()).toEqual([])
    expect(await differences()).toEqual([])
    clock.now += 1_000
    const undo = await finish((await service.undo(job.jobId, 'op')).jobId)
    expect(undo.preview).toMatchObject({ changed: 2 })
    expect(await apply(undo.jobId)).toMatchObject({ state: 'applied', outcome: { changed: 2 } })
    expect(await rows()).toEqual(before)
    expect(await differences()).toEqual([])
    expect(await engine.read.all("select count(*) as n from events where kind = 'audit' and account_id = 0")).toEqual([{ n: 6 }])
  })

  test('entries whose cause was superseded are lifted, and come back with the undo', async () => {
    await bounce(['a', 'b'], '550 5.1.1 No such user here', '5.1.1')
    const before = await bounceList()
    const files = [
      {
        file: 'draft.toml',
        text: `provider = "common"
[[rule]]
id = "draft-full"
reason = "mailbox-full"
says = ["no such user here"]
hits = ["550 5.1.1 No such user here"]
misses = ["550 the zorgle is fine"]
`,
      },
    ]
    const job = await check({ draft: files })
    expect(job.preview.lists).toEqual([{ account: 1, action: 'remove', n: 2 }])
    await apply(job.jobId, 'remove')
    expect(await inForce()).toBe(0)
    expect((await bounceList()).map((row) => row['n'])).toEqual([0, 0])
    expect(await differences()).toEqual([])
    clock.now += 1_000
    const undo = await finish((await service.undo(job.jobId, 'op')).jobId)
    await apply(undo.jobId, 'all')
    expect(await bounceList()).toEqual(before)
    expect(await differences()).toEqual([])
    const actors = await engine.read.all("select data from list_events where kind = 'list' order by id")
    expect(actors.map(({ data }) => JSON.parse(String(data)).actor)).toEqual([null, null, 'chief', 'chief', 'chief', 'chief'])
  })

  test('an entry that another mail still causes stays until that mail is reclassified too', async () => {
    await bounce(['a'], STRANGE)
    const first = await check({ draft: draft('not-exist') })
    await apply(first.jobId, 'add')
    await bounce(['a'], '550 5.1.1 No such user here', '5.1.1')
    clock.now += 1_000
    const undo = await finish((await service.undo(first.jobId, 'op')).jobId)
    expect(undo.preview.lists).toEqual([])
    await apply(undo.jobId, 'all')
    expect(await inForce()).toBe(1)
    expect(await differences()).toEqual([])
  })

  test('a status by a later fact is not undone', async () => {
    const [emailId = ''] = await bounce(['a'], '550 5.1.1 No such user here', '5.1.1')
    const receipt = { emailId, code: 450, text: '450 try later', error: null, mx: null, egressIp: null, attempt: 1, final: true, at: null }
    await createReportAttempts(context)(CALLER, [{ ...receipt, code: 550, text: STRANGE }])
    clock.now += 1_000
    const job = await check({ draft: draft('spam') })
    expect(job.preview).toMatchObject({ examined: 2, changed: 1, groups: [{ n: 1, deliveries: 0 }] })
    await apply(job.jobId)
    expect(await statuses()).toEqual(['not-exist 406'])
    expect(await differences()).toEqual([])
  })

  test('a later bounce of a reclassified delivery is folded with all its facts', async () => {
    await bounce(['a'], '450 4.0.0 the zorgle of this box is gone', '4.0.0')
    const job = await check({ draft: draft('mailbox-full') })
    await apply(job.jobId)
    const facts = await engine.read.all("select subject from events where kind = 'failed'")
    expect(facts).toHaveLength(1)
    expect(await differences()).toEqual([])
  })

  test('an address that was alive since gets no entry', async () => {
    await bounce(['a'], STRANGE)
    const made = await createRegister(context)(CALLER, { ...CALL, recipients: [{ recipient: 'a@example.org', contactTypes: null }] })
    const receipt = { code: 250, text: '250 ok', error: null, mx: null, egressIp: null, attempt: 1, final: true, at: null }
    await createReportAttempts(context)(CALLER, [{ ...receipt, emailId: made.recipients[0]?.emailId ?? '' }])
    clock.now += 8 * 86_400_000
    expect((await check({ draft: draft('not-exist') })).preview).toMatchObject({ changed: 1, lists: [] })
  })

  test('webhooks are sent for changed statuses only if chosen', async () => {
    const endpoint = {
      account: 1,
      url: 'https://hooks.example.com/x',
      name: 'h',
      events: ['invalid', 'soft_bounce'],
      apiUsers: [],
    } as const
    const options = { format: 'json', ladder: 'standard', enabled: true } as const
    const access = { vault: createVault(MASTER), secret: makeWebhookSecret(), now: T0 }
    await engine.tx((db) => insertEndpoint(db, { ...endpoint, ...options }, access))
    await bounce(['a'], STRANGE)
    const queued = async () => Number((await engine.read.one('select count(*) as n from outbox'))?.['n'])
    const before = await queued()
    const job = await check({ draft: draft('spam') })
    await apply(job.jobId)
    expect(await queued()).toBe(before)
    clock.now += 1_000
    const undo = await finish((await service.undo(job.jobId, 'op')).jobId)
    await apply(undo.jobId, 'none', true)
    expect(await queued()).toBe(before + 1)
  })

  test('a mail that is no longer stored is read from its fact, and a code replaces no words', async () => {
    await bounce(['a'], STRANGE)
    await engine.tx((db) => db.run('delete from mail_body_references'))
    expect((await check({})).preview).toMatchObject({ examined: 1, changed: 0 })
    expect((await check({ draft: draft('spam') })).preview).toMatchObject({ changed: 1 })
  })

  test('only replies of the chosen time and account are read', async () => {
    await bounce(['a'], STRANGE)
    expect((await check({ draft: draft('spam'), since: clock.now - 500 })).preview).toMatchObject({ examined: 0 })
    expect((await check({ draft: draft('spam'), onlyAccount: 7 })).preview).toMatchObject({ examined: 0 })
  })

  test('refusals', async () => {
    await expect(request({ draft: [{ file: 'x.toml', text: 'provider = ' }] })).rejects.toMatchObject({ code: 'rule_invalid' })
    await expect(request({ since: clock.now + 1 })).rejects.toMatchObject({ code: 'bad_request' })
    const job = await request()
    await expect(service.apply(job.jobId, 'op', { lists: 'none', webhooks: false })).rejects.toMatchObject({ code: 'conflict' })
    expect(await service.cancel(job.jobId, 'op')).toMatchObject({ state: 'cancelled' })
    await expect(service.cancel(job.jobId, 'op')).rejects.toMatchObject({ code: 'conflict' })
    await expect(service.undo(job.jobId, 'op')).rejects.toMatchObject({ code: 'conflict' })
    for (let n = 0; n < 5; n++) await request()
    await expect(request()).rejects.toMatchObject({ code: 'rate_limited' })
  })
})
