/**
 * mass-bounce-review.test - a site whose mailboxes vanish at once, from its bounces to the operator's word, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { NO_PROOFS } from '../../../src/mail-auth/verify-signatures.ts'
import { listBrakesForOperator } from '../../../src/store/lists/mass-bounce-holds.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { listSuppressions } from '../../../src/store/lists/suppressions.ts'
import { createAttempts } from '../../../src/service/submit/reported-attempts.ts'
import { releaseBrake } from '../../../src/service/lists/mass-bounce-review.ts'
import { liftEntries } from '../../../src/service/lists/lists.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Shop } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { incoming, ndr } from '../../support/reports.ts'
import { makeShop, type Clock } from '../../support/context.ts'

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
  type Bench = { readonly shop: Shop; readonly clock: Clock; readonly warned: readonly Line[] }

  /** Mailboxes of two accounts that took mail a week ago all deny it now: the brake trips at the twentieth. */
  async function vanished(): Promise<Bench> {
    const { engine } = await open()
    opened.push(engine)
    const clock = { now: START }
    const made = await makeShop(engine, clock, [{}, {}])
    const warned: Line[] = []
    const shop = { ...made, telemetry: { ...made.telemetry, log: spyOn(made.telemetry.log, warned) } }
    const register = createRegister(shop)
    const attempts = createAttempts(shop)
    const receiver = createReceiver(shop, { prover: () => Promise.resolve(NO_PROOFS), dryRun: false, notifyReplays: false })
    const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const send = async (account: number) => {
      const asker = { account, apiUser: `user${account}`, ip: '203.0.113.5' }
      const recipients = Array.from({ length: ADDRESSES }, (_, n) => ({ recipient: addressOf(n), contactTypes: null }))
      return { asker, sent: (await register(asker, { ...call, recipients })).recipients }
    }
    for (const account of [1, 2]) {
      const { asker, sent } = await send(account)
      const delivered = { code: 250, text: 'ok', error: null, mx: null, egressIp: null, attempt: 1, final: null, at: null }
      await attempts(
        asker,
        sent.map(({ emailId }) => ({ emailId, ...delivered })),
      )
    }
    clock.now += 9 * DAY
    for (const account of [1, 2]) {
      const { sent } = await send(account)
      for (const [n, { returnPath }] of sent.entries()) {
        const raw = ndr({ token: returnPath.split('@')[0] ?? '', recipient: addressOf(n), n: account * 100 + n })
        await receiver.submit(incoming(raw, returnPath, { at: clock.now, receivedAt: clock.now }))
      }
    }
    return { shop, clock, warned }
  }

  /** Entries of both accounts: [in force, held, removed]. */
  const countsOf = async ({ shop }: Bench): Promise<readonly number[]> => {
    const pages = await Promise.all(
      [1, 2].map((account) => listSuppressions(shop.engine.read, account, { list: 'bounce' }, { limit: 100 })),
    )
    const rows = pages.flatMap((page) => page.rows)
    const held = rows.filter(({ pending }) => pending).length
    const removed = rows.filter(({ removedAt }) => removedAt !== null).length
    return [rows.length - held - removed, held, removed]
  }
  const expectRebuilt = async ({ shop }: Bench): Promise<void> =>
    expect((await rebuild(shop, { check: true, onProgress: () => undefined })).differences).toEqual([])

  test.each([
    ['apply', [50, 0, 0]],
    ['discard', [19, 0, 31]],
  ] as const)('%s: entries of all accounts are settled once, and the site goes again', async (action, counts) => {
    const bench = await vanished()
    const { shop, clock, warned } = bench
    const site = 'vanished.example.net'
    expect(await countsOf(bench)).toEqual([19, 31, 0])
    expect(await listBrakesForOperator(shop.engine.read)).toEqual([{ site, held: true, at: clock.now, pending: 31 }])
    expect(warned).toContainEqual({ line: expect.objectContaining({ site, held: true }), text: expect.any(String) })
    expect(JSON.stringify(warned)).not.toContain('@')
    clock.now += DAY
    expect(await releaseBrake(shop, { site, action, actor: 'operator' })).toEqual({ site, changed: true, entries: 31 })
    expect(await countsOf(bench)).toEqual(counts)
    expect(await listBrakesForOperator(shop.engine.read)).toEqual([])
    expect(await releaseBrake(shop, { site, action, actor: 'operator' })).toEqual({ site, changed: false, entries: 0 })
    await expectRebuilt(bench)
  })
})

describe.each(engines)('$kind: a hosted domain', ({ open }) => {
  test.each([
    ['aspmx.l.google.com', 'joe@hosted.example.net', 'google'],
    ['mx.stranger.example', 'joe@hosted.example.net', 'hosted.example.net'],
    ['aspmx.l.google.com', 'joe@qq.com', 'tencent'],
  ] as const)('refused by %s: %s stands at %s, and is lifted with it', async (remoteMta, recipient, site) => {
    const { engine } = await open()
    const shop = await makeShop(engine, { now: START })
    const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const asker = { account: 1, apiUser: 'ann', ip: '203.0.113.5' }
    const [sent] = (await createRegister(shop)(asker, { ...call, recipients: [{ recipient, contactTypes: null }] })).recipients
    const returnPath = sent?.returnPath ?? ''
    const raw = ndr({ token: returnPath.split('@')[0] ?? '', recipient, remoteMta })
    const receiver = createReceiver(shop, { prover: () => Promise.resolve(NO_PROOFS), dryRun: false, notifyReplays: false })
    await receiver.submit(incoming(raw, returnPath, { at: START, receivedAt: START }))
    expect(await liftEntries(shop, { account: 1, actor: 'operator' }, { filter: { site }, dryRun: false })).toMatchObject([{ site }])
    expect((await rebuild(shop, { check: true, onProgress: () => undefined })).differences).toEqual([])
    await engine.close()
  })
})

function spyOn(log: Shop['telemetry']['log'], warned: { line: object; text: string }[]): Shop['telemetry']['log'] {
  const warn = (line: object, text: string): void => void warned.push({ line, text })
  return Object.assign(Object.create(log), { warn })
}
