/**
 * mass-bounce-review.test - a site that denies many mailboxes at once, until an operator releases it, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { listSiteHoldsForOperator } from '../../../src/store/lists/mass-bounce-holds.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { listSuppressions } from '../../../src/store/lists/suppressions.ts'
import { createReportAttempts } from '../../../src/service/submit/reported-attempts.ts'
import { releaseMassBounceGuard } from '../../../src/service/lists/mass-bounce-review.ts'
import { reactivateAddresses } from '../../../src/service/lists/bulk-removal.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext, type Clock } from '../../support/context.ts'

const START = Date.UTC(2026, 10, 20, 12)
const DAY = 86_400_000
const ADDRESSES = 25
const addressOf = (n: number): string => `user${n}@vanished.example.net`

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  type Line = { readonly line: object; readonly text: string }
  type Bench = { readonly context: Context; readonly clock: Clock; readonly warned: readonly Line[] }

  /** Mailboxes of two accounts that accepted mail a week ago all deny it now: the guard trips at the twentieth. */
  async function vanished(): Promise<Bench> {
    const { engine } = await open()
    opened.push(engine)
    const clock = { now: START }
    const made = await makeContext(engine, clock, [{}, {}])
    const warned: Line[] = []
    const context = { ...made, telemetry: { ...made.telemetry, log: spyOn(made.telemetry.log, warned) } }
    const register = createRegister(context)
    const attempts = createReportAttempts(context)
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
    })
    const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const send = async (account: number) => {
      const caller = { account, apiUser: `user${account}`, ip: '203.0.113.5' }
      const recipients = Array.from({ length: ADDRESSES }, (_, n) => ({ recipient: addressOf(n), contactTypes: null }))
      return { caller, sent: (await register(caller, { ...call, recipients })).recipients }
    }
    for (const account of [1, 2]) {
      const { caller, sent } = await send(account)
      const delivered = { code: 250, text: 'ok', error: null, mx: null, egressIp: null, attempt: 1, final: null, at: null }
      await attempts(
        caller,
        sent.map(({ emailId }) => ({ emailId, ...delivered })),
      )
    }
    clock.now += 9 * DAY
    for (const account of [1, 2]) {
      const { sent } = await send(account)
      for (const [n, { returnPath }] of sent.entries()) {
        const raw = ndr({ token: returnPath.split('@')[0] ?? '', recipient: addressOf(n), n: account * 100 + n })
        await receiver.submit(makeIncomingMail(raw, returnPath, { at: clock.now, receivedAt: clock.now }))
      }
    }
    return { context, clock, warned }
  }

  /** Numbers of entries of both accounts: [in force, held, removed]. */
  const countsOf = async ({ context }: Bench): Promise<readonly number[]> => {
    const pages = await Promise.all(
      [1, 2].map((account) => listSuppressions(context.engine.read, account, { list: 'bounce' }, { limit: 100 })),
    )
    const rows = pages.flatMap((page) => page.rows)
    const held = rows.filter(({ pending }) => pending).length
    const removed = rows.filter(({ removedAt }) => removedAt !== null).length
    return [rows.length - held - removed, held, removed]
  }
  const expectRebuilt = async ({ context }: Bench): Promise<void> =>
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])

  test.each([
    ['apply', [50, 0, 0]],
    ['discard', [19, 0, 31]],
  ] as const)('%s: entries of all accounts are settled once, and the site is released', async (action, counts) => {
    const bench = await vanished()
    const { context, clock, warned } = bench
    const site = 'vanished.example.net'
    expect(await countsOf(bench)).toEqual([19, 31, 0])
    expect(await listSiteHoldsForOperator(context.engine.read)).toEqual([{ site, held: true, at: clock.now, pending: 31 }])
    expect(warned).toContainEqual({ line: expect.objectContaining({ site, held: true }), text: expect.any(String) })
    expect(JSON.stringify(warned)).not.toContain('@')
    clock.now += DAY
    expect(await releaseMassBounceGuard(context, { site, action, actor: 'operator' })).toEqual({ site, changed: true, entries: 31 })
    expect(await countsOf(bench)).toEqual(counts)
    expect(await listSiteHoldsForOperator(context.engine.read)).toEqual([])
    expect(await releaseMassBounceGuard(context, { site, action, actor: 'operator' })).toEqual({ site, changed: false, entries: 0 })
    await expectRebuilt(bench)
  })
})

describe.each(engines)('$kind: a hosted domain', ({ open }) => {
  test.each([
    ['aspmx.l.google.com', 'joe@hosted.example.net', 'google'],
    ['mx.stranger.example', 'joe@hosted.example.net', 'hosted.example.net'],
    ['aspmx.l.google.com', 'joe@qq.com', 'tencent'],
  ] as const)('refused by %s: the entry of %s has the site %s, and is removed by it', async (remoteMta, recipient, site) => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: START })
    const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const caller = { account: 1, apiUser: 'ann', ip: '203.0.113.5' }
    const [sent] = (await createRegister(context)(caller, { ...call, recipients: [{ recipient, contactTypes: null }] })).recipients
    const returnPath = sent?.returnPath ?? ''
    const raw = ndr({ token: returnPath.split('@')[0] ?? '', recipient, remoteMta })
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
    })
    await receiver.submit(makeIncomingMail(raw, returnPath, { at: START, receivedAt: START }))
    expect(await reactivateAddresses(context, { account: 1, actor: 'operator' }, { filter: { site }, dryRun: false })).toMatchObject([
      { site },
    ])
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
    await engine.close()
  })
})

function spyOn(log: Context['telemetry']['log'], warned: { line: object; text: string }[]): Context['telemetry']['log'] {
  const warn = (line: object, text: string): void => void warned.push({ line, text })
  return Object.assign(Object.create(log), { warn })
}
