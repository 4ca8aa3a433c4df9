/**
 * services.test - the services on a real store of each engine: pagination, separation of accounts, rotation of secrets
 */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  findAccountByApiUser,
  createAccountWithApiUser,
  createAuthenticator,
  createFirstCredentials,
  ROTATION_MS,
  rotateSecret,
} from '../../src/daemon/accounts.ts'
import { verifyMasterKey, retireKeyringKey, rotateKeyring } from '../../src/daemon/token-keyring.ts'
import { listTokenKeys } from '../../src/store/account/token-keys.ts'
import type { HttpServices } from '../../src/http/services/http-services.ts'
import type { Context } from '../../src/service/context.ts'
import type { DatabaseReader } from '../../src/store/engine/engine.ts'
import { makeServices } from '../support/services.ts'
import { engines } from '../support/engines.ts'
import { makeContext, MASTER } from '../support/context.ts'
import type { Clock } from '../support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const ANN = { account: 1, apiUser: 'ann', ip: '192.0.2.1' }
const BOB = { account: 2, apiUser: 'bob', ip: '192.0.2.2' }
const MAIL = { from: 'news@example.com', subject: 'Hello', label: 'news', broadcast: null, emailType: 'batch', headers: {} } as const
const ANY = {
  email: null,
  from: null,
  until: null,
  apiUsers: null,
  labelIds: null,
  onlyInForce: true,
  after: null,
  offset: 0,
  limit: 100,
} as const
const ENTRIES = { ...ANY, list: 'bounce' } as const
const STATUSES = {
  email: null,
  emailIds: null,
  labelId: null,
  labelName: null,
  from: null,
  until: null,
  apiUsers: null,
  status: null,
  subStatuses: null,
  requestIp: null,
  egressIp: null,
  emailType: null,
  after: null,
  withTotal: true,
  offset: 0,
  limit: 100,
} as const

describe.each(engines)('$kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  let context: Context
  let services: HttpServices
  let emailIds: readonly string[]

  beforeAll(async () => {
    const { engine } = await open()
    context = await makeContext(engine, clock, [{}, {}])
    services = makeServices(context)
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ recipient: `${name}@example.org`, contactTypes: null }))
    const made = await services.register(ANN, { ...MAIL, recipients: names })
    await services.register(BOB, { ...MAIL, recipients: names })
    emailIds = made.recipients.map(({ emailId }) => emailId)
    const attempt = {
      code: 550,
      text: '5.1.1 No such user',
      error: null,
      mx: null,
      egressIp: '198.51.100.7',
      attempt: 1,
      final: null,
      at: null,
    }
    await services.reportAttempts(
      ANN,
      emailIds.slice(0, 3).map((emailId) => ({ ...attempt, emailId })),
    )
  })

  describe('long queries', () => {
    /** The services, and the readers that their lists and counts ran on. */
    function recordReaders(): { readonly services: HttpServices; readonly used: string[] } {
      const { engine } = context
      const used: string[] = []
      const record = (name: string, reader: DatabaseReader): DatabaseReader => ({
        ...reader,
        all: (sql, params) => {
          if (sql.includes('order by')) used.push(`list on ${name}`)
          return reader.all(sql, params)
        },
        one: (sql, params) => {
          if (sql.includes('count(*)')) used.push(`count on ${name}`)
          return reader.one(sql, params)
        },
      })
      const read = record('read', engine.replica.read)
      const replica = { ...engine.replica, read, bulkRead: record('bulkRead', engine.replica.bulkRead) }
      return { services: makeServices({ ...context, engine: { ...engine, read, replica } }), used }
    }
    // PostgreSQL has several connections for short queries.
    const longReader = (): string => (context.engine.kind === 'sqlite' ? 'bulkRead' : 'read')

    test('all matches of a list are counted where no short query waits for it', async () => {
      const { services: recorded, used } = recordReaders()
      expect((await recorded.messages.list(1, STATUSES)).total).toBe(5)
      expect((await recorded.statistics.findEngagement(1, { ...ANY, kind: null, withTotal: true })).total).toBe(0)
      expect(await recorded.suppressions.count(1, ENTRIES)).toBe(3)
      const isCount = (each: string): boolean => each.startsWith('count')
      expect(used.filter(isCount)).toEqual(Array.from({ length: 3 }, () => `count on ${longReader()}`))
    })

    const engagement = [
      // filter, whether an index finds the page
      [{}, true],
      [{ email: 'a@example.org', apiUsers: ['ann'], offset: 20_000 }, true],
      [{ apiUsers: ['ann'] }, false],
      [{ labelIds: [1] }, false],
      [{ offset: 20_000 }, false],
    ] as const
    test.each(engagement)('opens and clicks by %j: an index finds them: %s', async (filter, isShort) => {
      const { services: recorded, used } = recordReaders()
      await recorded.statistics.findEngagement(1, { ...ANY, kind: null, withTotal: false, ...filter })
      expect(used).toEqual([`list on ${isShort ? 'read' : longReader()}`])
    })

    const entries = [
      // filter, whether an index finds the page
      [{}, true],
      [{ from: T0, onlyInForce: true }, true],
      [{ email: 'a@example.org', site: 'example.org' }, true],
      [{ site: 'example.org' }, false],
      [{ labelIds: [1] }, false],
      [{ scope: '' }, false],
      [{ offset: 20_000 }, false],
    ] as const
    test.each(entries)('a list of entries by %j: an index finds it: %s', async (filter, isShort) => {
      const { services: recorded, used } = recordReaders()
      await recorded.suppressions.list(1, { ...ENTRIES, ...filter })
      expect(used).toEqual([`list on ${isShort ? 'read' : longReader()}`])
    })

    const lists = [
      // filter, whether an index finds the page
      [{}, true],
      [{ from: T0, until: T0 + 1 }, true],
      [{ status: 4 }, true],
      [{ requestIp: '192.0.2.1' }, true],
      [{ egressIp: '198.51.100.7', from: T0 }, true],
      [{ email: 'a@example.org', domain: 'example.org', status: 18 }, true],
      [{ emailIds: ['x'], status: 18 }, true],
      [{ status: 18 }, false],
      [{ status: -1 }, false],
      [{ status: 4, egressIp: '198.51.100.7' }, false],
      [{ status: 5, subStatuses: [508] }, false],
      [{ domain: 'example.org' }, false],
      [{ reason: 'not-exist' }, false],
      [{ labelName: 'news' }, false],
      [{ labelId: 1 }, false],
      [{ apiUsers: ['ann'] }, false],
      [{ emailType: 'batch', from: T0 }, false],
      [{ offset: 20_000 }, false],
    ] as const
    test.each(lists)('a list by %j: an index finds it: %s', async (filter, isShort) => {
      const { services: recorded, used } = recordReaders()
      await recorded.messages.list(1, { ...STATUSES, withTotal: false, ...filter })
      expect(used).toEqual([`list on ${isShort ? 'read' : longReader()}`])
    })
  })

  test('messages are filtered by status, IP address and type, and counted', async () => {
    const rows: readonly (readonly [Partial<typeof STATUSES> | object, number])[] = [
      [{}, 5],
      [{ status: 4 }, 3],
      [{ status: 4, subStatuses: [406] }, 3],
      [{ status: 2 }, 0],
      [{ status: 18 }, 2],
      [{ egressIp: '198.51.100.7' }, 3],
      [{ requestIp: '192.0.2.1' }, 5],
      [{ requestIp: '192.0.2.2' }, 0],
      [{ emailType: 'trigger' }, 0],
      [{ labelName: 'NEW' }, 5],
      [{ email: 'B@Example.org' }, 1],
      [{ email: 'no address' }, 0],
      [{ from: T0 + 1 }, 0],
    ]
    for (const [filter, want] of rows)
      expect({ filter, total: (await services.messages.list(1, { ...STATUSES, ...filter })).total }).toEqual({ filter, total: want })
  })

  test('each page starts after the previous one', async () => {
    const seen: string[] = []
    let after: string | null = null
    do {
      const page: Awaited<ReturnType<HttpServices['messages']['list']>> = await services.messages.list(1, { ...STATUSES, after, limit: 2 })
      seen.push(...page.rows.map(({ recipient }) => recipient ?? ''))
      after = page.next
    } while (after !== null)
    expect(seen.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@example.org`))
    const first = await services.suppressions.list(1, { ...ANY, list: 'bounce', limit: 2 })
    const second = await services.suppressions.list(1, { ...ANY, list: 'bounce', limit: 2, after: first.next })
    expect([first.rows.length, second.rows.length, second.next]).toEqual([2, 1, null])
    // A cursor names no delivery and no address; one of before, by delivery id, still works.
    const [row] = (await services.messages.list(1, { ...STATUSES, limit: 1 })).rows
    const next = (await services.messages.list(1, { ...STATUSES, limit: 1 })).next ?? ''
    expect(Buffer.from(next, 'base64url').toString()).not.toMatch(new RegExp(`${row?.deliveryId ?? ''}|example`))
    const old = Buffer.from(JSON.stringify({ requestedAt: row?.requestedAt, deliveryId: row?.deliveryId })).toString('base64url')
    const after2 = await Promise.all([next, old].map((text) => services.messages.list(1, { ...STATUSES, after: text, limit: 9 })))
    expect(after2.map(({ rows }) => rows.length)).toEqual([4, 4])
    const forged = ['made-up', '', 'null', '[]', '{}', '{"from":"x","addressHash":"zz","scope":""}', '{"requestedAt":1e999,"deliveryId":1}']
    for (const text of forged) {
      const after = Buffer.from(text).toString('base64url')
      await expect(services.suppressions.list(1, { ...ANY, list: 'bounce', after })).rejects.toThrow(/`next` value/)
      await expect(services.messages.list(1, { ...STATUSES, after })).rejects.toThrow(/`next` value/)
      await expect(services.inbox.list(1, { state: null, reason: null, limit: 1, after })).rejects.toThrow(/`next` value/)
    }
  })

  test('an account sees no data of another account', async () => {
    const of = async (account: number): Promise<readonly unknown[]> => [
      (await services.suppressions.list(account, { ...ANY, list: 'bounce' })).rows.length,
      await services.suppressions.count(account, { ...ANY, list: 'bounce' }),
      (await services.messages.find(account, emailIds[0] ?? ''))?.row.status ?? null,
      (await services.suppressions.checkAddresses(account, ['a@example.org', 'd@example.org', 'none'])).map((rows) => rows.length),
    ]
    expect([await of(1), await of(2)]).toEqual([
      [3, 3, 4, [1, 0, 0]],
      [0, 0, null, [0, 0, 0]],
    ])
  })

  test('entries are removed, added and reactivated for one account only', async () => {
    expect(await services.suppressions.remove(BOB, { ...ANY, list: 'bounce', email: 'a@example.org' })).toBe(0)
    expect(await services.suppressions.remove(ANN, { ...ANY, list: 'bounce', email: 'a@example.org' })).toBe(1)
    expect(await services.suppressions.addUnsubscribe(ANN, 'z@example.org', 0)).toMatchObject({
      list: 'unsubscribe',
      until: null,
      address: 'z@example.org',
    })
    const filter = { site: 'example.org', rule: null, since: T0 - 1, until: T0 + 1 }
    expect((await services.suppressions.reactivate(BOB, { ...filter, dryRun: false })).length).toBe(0)
    expect((await services.suppressions.reactivate(ANN, { ...filter, dryRun: true })).length).toBe(2)
    expect((await services.suppressions.reactivate(ANN, { ...filter, dryRun: false })).length).toBe(2)
    expect(await services.suppressions.count(1, { ...ANY, list: 'bounce' })).toBe(0)
    expect((await services.suppressions.list(1, { ...ANY, list: 'bounce', onlyInForce: false })).rows.length).toBe(3)
  })

  test('secrets are accepted, rotated and expire', async () => {
    const { engine } = await open()
    const keys = createAuthenticator(engine.read, () => clock.now)
    const wanted = { apiUser: 'ann', apiKey: null, trust: 'strict', giveUpAfterDays: 5 } as const
    const first = await createFirstCredentials(engine, wanted, T0)
    const { operatorSecret = '' } = first ?? {}
    const apiKey = first?.apiKey ?? ''
    expect(await createFirstCredentials(engine, wanted, T0)).toBeNull()
    const fresh = await engine.tx((db) => rotateSecret(db, 'ann', T0))
    const checkAll = async (): Promise<readonly unknown[]> =>
      Promise.all([
        keys.findAccount('ann', apiKey),
        keys.findAccount('ann', fresh),
        keys.findAccount('bob', fresh),
        keys.findAccount('operator', operatorSecret),
        keys.isOperator(operatorSecret),
        keys.isOperator(apiKey),
      ])
    const ann = { account: 1, apiUser: 'ann' }
    expect(await checkAll()).toEqual([ann, ann, null, null, true, false])
    clock.now = T0 + ROTATION_MS
    expect(await checkAll()).toEqual([null, ann, null, null, true, false])
    await expect(engine.tx((db) => createAccountWithApiUser(db, wanted, T0))).rejects.toThrow(/taken/)
    expect(await findAccountByApiUser(engine.read, 'operator')).toBeNull()
    await engine.tx((db) => db.run('update accounts set closed_at = $1 where account_id = 1', [T0]))
    expect(await createAuthenticator(engine.read, () => clock.now).findAccount('ann', fresh)).toBeNull()
  })

  test('a keyring keeps its old keys, and a store rejects another master key', async () => {
    const { engine } = await open()
    await verifyMasterKey(engine, MASTER, T0)
    await verifyMasterKey(engine, MASTER, T0)
    expect(await rotateKeyring(engine, MASTER, T0)).toBe(1)
    expect((await listTokenKeys(engine.read, 0)).map(({ index, retiredAt }) => [index, retiredAt])).toEqual([
      [0, null],
      [1, null],
    ])
    await expect(retireKeyringKey(engine, 1, T0)).rejects.toMatchObject({ code: 'conflict' })
    await expect(retireKeyringKey(engine, 7, T0)).rejects.toMatchObject({ code: 'not_found' })
    expect([await retireKeyringKey(engine, 0, T0), await retireKeyringKey(engine, 0, T0)]).toEqual([true, false])
    await expect(verifyMasterKey(engine, Buffer.alloc(32, 9), T0)).rejects.toThrow(/another master key/)
  })
})
