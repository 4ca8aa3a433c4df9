/**
 * offline-tokens.test - tokens that a sender minted offline: reported before registration, registered once, and only by their owner
 */
import { afterEach, describe, expect, test } from 'vitest'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { dayNumberOf, formatDeliveryId } from '../../../src/correlate/delivery-id.ts'
import { deriveTokenKey } from '../../../src/correlate/token-keys.ts'
import { mintToken, type TokenPurpose } from '../../../src/correlate/token.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../../src/ledger/account-settings.ts'
import { createAccount } from '../../../src/store/account/accounts.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findSuppressions } from '../../../src/store/lists/suppressions.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister, type Register } from '../../../src/service/submit/register.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext, MASTER } from '../../support/context.ts'

const START = Date.UTC(2026, 10, 20, 12)
const DAY = 86_400_000
/** The offline number of account 1; accounts 1 and 2 are ordinary. */
const OFFLINE = 3

type Minting = { sequence?: number; number?: number; at?: number; domain?: string; purpose?: TokenPurpose }

function mint({
  sequence = 1,
  number = OFFLINE,
  at = START,
  domain = 'bounce.example.com',
  purpose = 'return-path',
}: Minting = {}): string {
  const deliveryId = formatDeliveryId({ day: dayNumberOf(at), account: number, sequence }) ?? ''
  const key = deriveTokenKey(MASTER, number, 0)
  return mintToken({ key, keyIndex: 0, deliveryId, purpose, domain }) ?? ''
}

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  async function bench(): Promise<{
    context: Context
    register: (token: string, account?: number, recipient?: string) => ReturnType<Register>
  }> {
    const { engine } = await open()
    opened.push(engine)
    const context = await makeContext(engine, { now: START }, [{}, {}])
    await engine.tx((db) => createAccount(db, { name: 'offline', createdAt: START, settings: DEFAULT_ACCOUNT_SETTINGS, offlineFor: 1 }))
    context.accountCache.invalidate()
    const registerRecipients = createRegister(context)
    const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    return {
      context,
      register: (token, account = 1, recipient = 'joe@example.org') =>
        registerRecipients(
          { account, apiUser: `user${account}`, ip: '203.0.113.5' },
          { ...call, recipients: [{ recipient, contactTypes: null, token }] },
        ),
    }
  }
  const listsOf = async (context: Context): Promise<number> =>
    (await findSuppressions(context.engine.read, [{ account: 1, addressHash: hashAddress('joe@example.org') ?? '' }])).length

  test('registered first: the same ids are returned each time, and a bounce matches', async () => {
    const { context, register } = await bench()
    const token = mint()
    const first = await register(token)
    expect(first.recipients[0]?.returnPath).toBe(`${token}@bounce.example.com`)
    const again = await register(`${token}@bounce.example.com`)
    expect(again).toEqual(first)
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
    })
    const raw = ndr({ token, recipient: 'joe@example.org' })
    const outcome = await receiver.submit(makeIncomingMail(raw, `${token}@bounce.example.com`, { at: START, receivedAt: START }))
    expect(outcome).toMatchObject({ account: 1, subStatuses: [406], inboxReason: null })
    expect(await listsOf(context)).toBe(1)
  })

  test('the Message-ID that a sender minted offline is the one that registration returns, and registers the mail', async () => {
    const { register } = await bench()
    const [made] = (await register(mint())).recipients
    const messageId = mint({ domain: 'example.com', purpose: 'message-id' })
    expect(made?.messageIdHeader).toBe(`<${messageId}@example.com>`)
    const again = await register(`<${messageId.toUpperCase()}@Example.com>`)
    expect(again.recipients[0]).toEqual(made)
    await expect(register(`<${messageId}@example.org>`)).rejects.toMatchObject({ code: 'bad_request' })
    await expect(register(messageId)).rejects.toMatchObject({ code: 'bad_request' })
  })

  test('reported first: a stub has a status and feeds no list until it is registered', async () => {
    const { context, register } = await bench()
    const token = mint()
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
    })
    const raw = ndr({ token, recipient: 'joe@example.org' })
    await receiver.submit(makeIncomingMail(raw, `${token}@bounce.example.com`, { at: START, receivedAt: START }))
    expect(await listsOf(context)).toBe(0)
    const { recipients } = await register(token)
    expect(recipients[0]).toMatchObject({ status: 4, subStatus: 406 })
    expect(await listsOf(context)).toBe(1)
    const [row] = await findDeliveriesByEmailIds(context.engine.read, 1, [recipients[0]?.emailId ?? ''])
    expect(row).toMatchObject({ registered: true, status: 4, recipient: 'joe@example.org' })
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test('a token that is forged, of another account, not offline, too old or dated ahead is refused', async () => {
    const { context, register } = await bench()
    const good = mint()
    const ours = await createRegister(context)(
      { account: 1, apiUser: 'user1', ip: '203.0.113.5' },
      {
        from: 'news@example.com',
        subject: '',
        label: null,
        broadcast: null,
        emailType: 'batch',
        headers: {},
        recipients: [{ recipient: 'amy@example.org', contactTypes: null }],
      },
    )
    const rows: readonly (readonly [what: string, token: string, account: number])[] = [
      ['of another account', good, 2],
      ['with a changed MAC', `${good.slice(0, 29)}${good.endsWith('a') ? 'b' : 'a'}`, 1],
      ['for another domain', mint({ domain: 'elsewhere.example' }), 1],
      ['of our own number', ours.recipients[0]?.returnPath ?? '', 1],
      ['signed by another number’s key', mint({ number: 2 }), 1],
      ['of a number that nobody has', mint({ number: 9 }), 1],
      ['31 days old', mint({ at: START - 31 * DAY }), 1],
      ['two days ahead', mint({ at: START + 2 * DAY }), 1],
      ['no token at all', 'x'.repeat(30), 1],
    ]
    for (const [what, token, account] of rows)
      expect({
        what,
        code: await register(token, account).then(
          () => 'taken',
          (error: unknown) => Reflect.get(Object(error), 'code'),
        ),
      }).toEqual({
        what,
        code: 'bad_request',
      })
  })
})
