/**
 * users.test - users of the console, their passwords, links and sessions, on each engine
 */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAccountWithApiUser, rotateSecret } from '../../../src/daemon/accounts.ts'
import { hashPassword, verifyPassword } from '../../../src/service/users/password.ts'
import { isPermitted, ROLE_NAMES } from '../../../src/service/users/roles.ts'
import { createSessionService, type SessionService } from '../../../src/service/users/sessions.ts'
import { createFirstLink, createUserService, type UserService } from '../../../src/service/users/users.ts'
import type { Context } from '../../../src/service/context.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const [MINUTE, HOUR] = [60_000, 3_600_000]
const PASSWORD = 'correct horse battery'
const OTHER = 'a staple of another kind'
const actor = 'operator'

describe('passwords', () => {
  test('are stored with their parameters, each with a salt of its own, and verified', async () => {
    const [one, other] = [await hashPassword(PASSWORD, 'ann'), await hashPassword(PASSWORD, 'ann')]
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(other)
    expect([await verifyPassword(one, PASSWORD), await verifyPassword(one, OTHER), await verifyPassword(null, PASSWORD)]).toEqual([
      true,
      false,
      false,
    ])
  })

  test('are the same however the keyboard composes them', async () => {
    expect(await verifyPassword(await hashPassword('größer als zwölf', 'ann'), 'gro\u0308ßer als zwo\u0308lf')).toBe(true)
  })

  const refused = ['', 'short', 'x'.repeat(257), 'annabella1234'] as const
  test.each(refused)('%j is refused', (password) =>
    expect(hashPassword(password, 'annabella')).rejects.toMatchObject({ code: 'bad_request' }),
  )

  test('a stored text that is no hash matches nothing', async () => expect(await verifyPassword('$2b$10$abc', PASSWORD)).toBe(false))
})

test('a role may do what the role before it may, and more', () => {
  const table = ROLE_NAMES.map((role) => (['read', 'operate', 'administer'] as const).map((each) => isPermitted(role, each)))
  expect(table).toEqual([
    [true, false, false],
    [true, true, false],
    [true, true, true],
  ])
})

describe.each(engines)('$kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let users: UserService
  let sessions: SessionService
  let now = T0
  beforeAll(async () => {
    engine = (await open()).engine
    const clock = {
      get now() {
        return now
      },
      set now(at) {
        now = at
      },
    }
    context = await makeContext(engine, clock)
    users = createUserService(context)
    sessions = createSessionService(context, { idleMinutes: 60, sessionHours: 12 })
  })
  beforeEach(async () => {
    now += 24 * HOUR
    await engine.tx(async (db) => {
      for (const table of ['users', 'sessions', 'password_links']) await db.run(`delete from ${table}`)
    })
    await users.add({ name: 'ann', role: 'admin', password: PASSWORD, actor })
  })
  const start = async (name = 'ann', password = PASSWORD): Promise<string> => (await sessions.start('user', name, password)) ?? ''
  /** Past the cache of other nodes' sign-outs. */
  const isGood = async (id: string): Promise<boolean> =>
    (await createSessionService(context, { idleMinutes: 60, sessionHours: 12 }).find(id)) !== null

  test('a session says who it is, and ends when it is idle, at its absolute end, and with a sign-out', async () => {
    const id = await start()
    expect(await sessions.find(id)).toMatchObject({ kind: 'user', name: 'ann', role: 'admin', endsAt: now + 12 * HOUR })
    now += 59 * MINUTE
    expect(await isGood(id)).toBe(true)
    now += 61 * MINUTE
    expect(await isGood(id)).toBe(false)

    const used = await start()
    for (let hour = 0; hour < 12; hour++) {
      expect([hour, await isGood(used)]).toEqual([hour, true])
      now += 59 * MINUTE
    }
    now += 13 * MINUTE
    expect(await isGood(used)).toBe(false)

    const out = await start()
    await sessions.end(out)
    expect(await isGood(out)).toBe(false)
  })

  const wrong = [
    ['ann', OTHER],
    ['nobody', PASSWORD],
    ['Ann', PASSWORD],
    ['ann', ''],
  ] as const
  test.each(wrong)('%s with %j does not sign in', async (name, password) => expect(await sessions.start('user', name, password)).toBeNull())

  const endings = [
    ['a new password', () => users.setPassword({ name: 'ann', password: OTHER, actor })],
    ['the same password again', () => users.setPassword({ name: 'ann', password: PASSWORD, actor })],
    [
      'another role',
      async () => {
        await users.add({ name: 'eve', role: 'admin', password: PASSWORD, actor })
        await users.change({ name: 'ann', role: 'viewer', actor })
      },
    ],
    ['signing out everywhere', () => users.signOutEverywhere({ name: 'ann', actor })],
    [
      'removal',
      async () => {
        await users.add({ name: 'eve', role: 'admin', password: PASSWORD, actor })
        await users.remove({ name: 'ann', actor })
      },
    ],
  ] as const
  test.each(endings)('%s ends the sessions', async (_what, change) => {
    const [one, other] = [await start(), await start()]
    await change()
    expect([await isGood(one), await isGood(other)]).toEqual([false, false])
  })

  test('a disabled user cannot sign in, and can again', async () => {
    await users.add({ name: 'bob', role: 'viewer', password: PASSWORD, actor })
    await users.change({ name: 'bob', isDisabled: true, actor })
    expect(await sessions.start('user', 'bob', PASSWORD)).toBeNull()
    await users.change({ name: 'bob', isDisabled: false, actor })
    expect(await sessions.start('user', 'bob', PASSWORD)).not.toBeNull()
  })

  test('the last administrator cannot be demoted, disabled or removed; one without a password does not count', async () => {
    await users.add({ name: 'new', role: 'admin', password: null, actor })
    await expect(users.change({ name: 'ann', role: 'operator', actor })).rejects.toMatchObject({ code: 'conflict' })
    await expect(users.change({ name: 'ann', isDisabled: true, actor })).rejects.toMatchObject({ code: 'conflict' })
    await expect(users.remove({ name: 'ann', actor })).rejects.toMatchObject({ code: 'conflict' })
    await users.setPassword({ name: 'new', password: PASSWORD, actor })
    await users.remove({ name: 'ann', actor })
    expect((await users.list()).map(({ name }) => name)).toEqual(['new'])
  })

  test('a link sets the password once, ends with the next link, and after a day', async () => {
    await users.add({ name: 'bob', role: 'viewer', password: null, actor })
    const first = await users.createLink({ name: 'bob', actor })
    const second = await users.createLink({ name: 'bob', actor })
    await expect(users.findLink(first)).rejects.toMatchObject({ code: 'not_found' })
    expect(await users.findLink(second)).toEqual({ name: 'bob' })
    expect(await users.redeemLink({ token: second, name: 'ann', password: PASSWORD })).toBe('bob')
    expect(await sessions.start('user', 'bob', PASSWORD)).not.toBeNull()
    await expect(users.redeemLink({ token: second, name: null, password: OTHER })).rejects.toMatchObject({ code: 'not_found' })
    const late = await users.createLink({ name: 'bob', actor })
    now += 24 * HOUR
    await expect(users.redeemLink({ token: late, name: null, password: OTHER })).rejects.toMatchObject({ code: 'not_found' })
  })

  test('the link of the first start creates an administrator of a chosen name, and takes no name over', async () => {
    const token = await engine.tx((db) => createFirstLink(db, now))
    await expect(users.redeemLink({ token, name: null, password: PASSWORD })).rejects.toMatchObject({ code: 'bad_request' })
    await expect(users.redeemLink({ token, name: 'ann', password: OTHER })).rejects.toMatchObject({ code: 'conflict' })
    await expect(users.redeemLink({ token, name: 'zoe', password: 'short' })).rejects.toMatchObject({ code: 'bad_request' })
    expect(await users.redeemLink({ token, name: 'zoe', password: PASSWORD })).toBe('zoe')
    expect((await users.list()).find(({ name }) => name === 'zoe')).toMatchObject({ role: 'admin', hasPassword: true })
  })

  const names = ['', 'a b', 'operator', 'Operator', 'user:x', '../x', 'x'.repeat(65), '-x', '<b>'] as const
  test.each(names)('%j is no name of a user', (name) =>
    expect(users.add({ name, role: 'viewer', password: PASSWORD, actor })).rejects.toMatchObject({ code: 'bad_request' }),
  )

  test('an account signs in with its key, until the key is rotated and has expired', async () => {
    const apiUser = `acc${now}`
    const { account, apiKey } = await engine.tx((db) =>
      createAccountWithApiUser(db, { apiUser, apiKey: null, trust: 'strict', giveUpAfterDays: 5 }, now),
    )
    const id = (await sessions.start('account', apiUser, apiKey)) ?? ''
    expect(await sessions.find(id)).toMatchObject({ kind: 'account', name: apiUser, account })
    expect([await sessions.start('account', apiUser, 'wrong'), await sessions.start('account', 'operator', apiKey)]).toEqual([null, null])
    await engine.tx((db) => rotateSecret(db, apiUser, now))
    expect(await isGood(id)).toBe(true)
    now += 16 * MINUTE
    expect(await isGood(id)).toBe(false)
  })

  test('one name has at most twenty sessions', async () => {
    const first = await start()
    for (let n = 0; n < 20; n++) {
      now += 1_000
      await start()
    }
    expect(await isGood(first)).toBe(false)
    expect((await users.list())[0]).toMatchObject({ sessions: 20 })
  })

  test('every change is an audit fact with its actor, and no fact holds a secret', async () => {
    const token = await users.createLink({ name: 'ann', actor: 'user:root' })
    const id = await start()
    const rows = await engine.read.all("select data from events where kind = 'audit' and received_at = $1", [now])
    const facts = rows.map(({ data }) => JSON.parse(String(data)))
    expect(facts).toContainEqual({ actor: 'user:root', what: 'user.link', detail: { name: 'ann' } })
    expect(facts).toContainEqual({ actor: 'user:ann', what: 'session.start', detail: { kind: 'user', name: 'ann' } })
    for (const secret of [token, id, PASSWORD]) expect(JSON.stringify(facts)).not.toContain(secret)
  })

  test('the store holds neither ids nor links in clear', async () => {
    const id = await start()
    const token = await users.createLink({ name: 'ann', actor })
    for (const table of ['sessions', 'password_links', 'users'])
      for (const row of await engine.read.all(`select * from ${table}`)) {
        const text = JSON.stringify(row)
        expect([text.includes(id), text.includes(token), text.includes(PASSWORD)]).toEqual([false, false, false])
      }
  })
})
