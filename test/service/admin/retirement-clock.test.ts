/**
 * retirement-clock.test - a clock that is far ahead of the newest mail retires nothing, until mail arrives or a person confirms the date
 */
import { describe, expect, test } from 'vitest'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { removeOldRawMailsForOperator } from '../../../src/store/mail/raw-mail.ts'
import { createAlertEvaluator } from '../../../src/service/alerts/alerts.ts'
import { purgeRetiredDeliveries, retire } from '../../../src/service/admin/retire.ts'
import { confirmRetirementDate } from '../../../src/service/admin/retirement-clock.ts'
import { previewRetirement } from '../../../src/service/admin/retirement-preview.ts'
import type { Context } from '../../../src/service/context.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'

const DAY = 86_400_000
const NOVEMBER = Date.UTC(2026, 10, 2, 12)
/** 243 days later. */
const AHEAD = NOVEMBER + 243 * DAY
const MAY = Date.UTC(2026, 4, 1)

describe.each(engines)('the clock of retention: $kind', ({ open }) => {
  type Bench = { readonly engine: Engine; readonly context: Context; readonly clock: { now: number } }
  async function bench(): Promise<Bench> {
    const { engine } = await open()
    const clock = { now: NOVEMBER }
    return { engine, clock, context: await makeContext(engine, clock, [{}, {}]) }
  }
  const register = async ({ context }: Bench, account: number): Promise<void> => {
    const call = { from: 'news@example.com', subject: 'x', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const recipients = [{ recipient: 'rita@example.org', contactTypes: null }]
    await createRegister(context)({ account, apiUser: 'one', ip: '203.0.113.5' }, { ...call, recipients })
  }
  const receive = async ({ context, clock }: Bench, n: number): Promise<void> => {
    const options = { prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS), dryRun: false, notifyReplays: false }
    const mail = ndr({ recipient: 'stray@example.net', n })
    await createReceiver(context, options).submit(makeIncomingMail(mail, 'x@bounce.example.com', { at: clock.now, receivedAt: clock.now }))
  }
  const jump = ({ context, clock }: Bench, now: number): void => {
    clock.now = now
    context.accountCache.invalidate()
  }
  const rows = async ({ engine }: Bench): Promise<readonly number[]> =>
    Promise.all(
      ['deliveries', 'reports'].map(async (table) => Number((await engine.read.one(`select count(*) as n from ${table}`))?.['n'])),
    )
  const alertChanges = async ({ context }: Bench): Promise<readonly string[]> => {
    const options = { rules: { rules: [], mailTo: [] }, mailer: null, operator: () => Promise.resolve(1) }
    return (await createAlertEvaluator(context, options).evaluate()).map(({ data: { alert, state } }) => `${alert} ${state}`)
  }
  const filled = async (): Promise<Bench> => {
    const b = await bench()
    await register(b, 2)
    await receive(b, 1)
    return b
  }

  test('a clock 243 days ahead removes nothing and alerts once; the run and its preview say that they hold', async () => {
    const b = await filled()
    expect(await alertChanges(b)).toEqual([])
    jump(b, AHEAD)
    const held = { before: MAY, deliveries: 0, mails: 0, isHeld: true }
    expect([await previewRetirement(b.context, 6), await retire(b.context, { months: 6 })]).toMatchObject([held, held])
    expect(await rows(b)).toEqual([1, 1])
    expect(await alertChanges(b)).toEqual(['retirement-held raised'])
    // The fact of the alert is no mail: the hold goes on, and no second alert follows.
    expect(await retire(b.context, { months: 6 })).toMatchObject(held)
    expect([await alertChanges(b), await rows(b)]).toEqual([[], [1, 1]])
  })

  test.each([
    ['a mail that is received', (b: Bench) => receive(b, 2)],
    ['a message that is requested', (b: Bench) => register(b, 1)],
    ['a person who confirms the date', async ({ context }: Bench) => void (await confirmRetirementDate(context, 'operator'))],
  ])('%s ends the hold and clears the alert', async (_what, end) => {
    const b = await filled()
    jump(b, AHEAD)
    await retire(b.context, { months: 6 })
    expect(await alertChanges(b)).toEqual(['retirement-held raised'])
    await end(b)
    expect(await retire(b.context, { months: 6 })).toMatchObject({ deliveries: 1, mails: 1, isHeld: false })
    expect(await alertChanges(b)).toEqual(['retirement-held cleared'])
  })

  test('a clock that is set right ends the hold', async () => {
    const b = await filled()
    jump(b, AHEAD)
    await retire(b.context, { months: 6 })
    expect(await alertChanges(b)).toEqual(['retirement-held raised'])
    jump(b, NOVEMBER + DAY)
    expect(await retire(b.context, { months: 6 })).toMatchObject({ before: MAY, isHeld: false })
    expect([await alertChanges(b), await rows(b)]).toEqual([['retirement-held cleared'], [1, 1]])
  })

  test('a confirmation is good for its date, and is recorded with its actor', async () => {
    const b = await filled()
    jump(b, AHEAD)
    await confirmRetirementDate(b.context, 'olga')
    expect(await retire(b.context, { months: 6 })).toMatchObject({ deliveries: 1, mails: 1, isHeld: false })
    const audits = (await b.engine.read.all(`select data from events where kind = 'audit'`)).map(({ data }) => String(data))
    expect(audits.filter((text) => text.includes('retirement.confirm') && text.includes('olga'))).toHaveLength(1)
    jump(b, AHEAD + 60 * DAY)
    expect(await retire(b.context, { months: 6 })).toMatchObject({ isHeld: true })
  })

  test('a month that turns within three days of the newest mail holds nothing', async () => {
    const b = await bench()
    jump(b, Date.UTC(2026, 10, 29, 12))
    await register(b, 1)
    jump(b, Date.UTC(2026, 11, 2, 11))
    expect(await retire(b.context, { months: 6 })).toMatchObject({ before: Date.UTC(2026, 5, 1), isHeld: false })
    jump(b, Date.UTC(2027, 0, 1))
    expect(await retire(b.context, { months: 6 })).toMatchObject({ before: Date.UTC(2026, 5, 1), isHeld: true })
    jump(b, Date.UTC(2026, 11, 31))
    expect(await retire(b.context, { months: 6 })).toMatchObject({ isHeld: false })
  })

  test('the newest mail is remembered after its bytes are removed', async () => {
    const b = await bench()
    await receive(b, 1)
    await retire(b.context, { months: 6 })
    await b.engine.tx((db) => removeOldRawMailsForOperator(db, NOVEMBER + 1, 10))
    jump(b, AHEAD)
    expect(await retire(b.context, { months: 6 })).toMatchObject({ mails: 0, isHeld: true })
    expect(await rows(b)).toEqual([0, 1])
  })

  test('the remains of retired mails wait as well, and a store without mail goes by the clock', async () => {
    const b = await bench()
    jump(b, AHEAD)
    expect(await retire(b.context, { months: 6 })).toMatchObject({ before: Date.UTC(2027, 0, 1), isHeld: false })
    const c = await filled()
    jump(c, NOVEMBER + 230 * DAY)
    await confirmRetirementDate(c.context, 'operator')
    expect(await retire(c.context, { months: 6 })).toMatchObject({ deliveries: 1, remains: 0 })
    jump(c, NOVEMBER + 900 * DAY)
    expect(await purgeRetiredDeliveries(c.context, () => false)).toMatchObject({ remains: 0, isHeld: false })
    await confirmRetirementDate(c.context, 'operator')
    expect(await purgeRetiredDeliveries(c.context, () => false)).toMatchObject({ remains: 1 })
  })
})
