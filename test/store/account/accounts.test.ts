/** accounts.test - accounts, credentials, labels, sequences, endpoints and the outbox, on both engines */
import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../../src/ledger/account-settings.ts'
import { createAccount, findAccount, listAccountsForOperator, saveAccountSettings } from '../../../src/store/account/accounts.ts'
import {
  addCredential,
  findCredentialsForOperator,
  findOpenCredentialsForOperator,
  expireCredentials,
  listCredentials,
  removeExpiredCredentialsForOperator,
} from '../../../src/store/account/credentials.ts'
import type { Credential } from '../../../src/store/account/credentials.ts'
import {
  addEndpoint,
  clearEndpointHistory,
  listEndpointsOfAccounts,
  removeEndpoint,
  saveEndpoint,
} from '../../../src/store/webhook/endpoints.ts'
import type { Database, Engine } from '../../../src/store/engine/engine.ts'
import {
  addLabel,
  ensureLabels,
  findLabel,
  findLabelIdsLike,
  listLabels,
  findLabelNames,
  removeLabel,
  renameLabel,
} from '../../../src/store/account/labels.ts'
import { initializeMetadataForOperator, readMetadataForOperator, writeMetadataForOperator } from '../../../src/store/engine/metadata.ts'
import {
  claimOutboxForOperator,
  listOutbox,
  rescheduleOutboxForOperator,
  requeueFailedOutbox,
  removeDeliveredOutboxForOperator,
} from '../../../src/store/webhook/outbox.ts'
import type { OutboxRow } from '../../../src/store/webhook/outbox.ts'
import { reserveSequenceNumbers } from '../../../src/store/engine/sequences.ts'
import { addTokenKey, retireTokenKey, listTokenKeys, listTokenKeysForOperator } from '../../../src/store/account/token-keys.ts'
import { createOutboxRow } from '../../../src/store/webhook/outbox.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { createLedgerState } from '../../../src/ledger/project/state.ts'
import { requeueWebhookRecords } from '../../../src/store/webhook/attempts.ts'
import { engines } from '../../support/engines.ts'
import { DAY, hashOf, idOf, openFact, T0 } from '../sample.ts'

const credential = (over: Partial<Credential> = {}): Credential => ({
  account: 1,
  apiUser: 'sender',
  keyHash: hashOf('key'),
  role: 'account',
  createdAt: T0,
  expiresAt: null,
  ...over,
})

const endpoint = {
  account: 1,
  url: 'https://example.com/hook',
  name: 'hook',
  events: ['failed'],
  apiUsers: [],
  format: 'form',
  ladder: 'standard',
  sealedKey: Buffer.from('sealed'),
  enabled: true,
  createdAt: T0,
  updatedAt: T0,
} as const

const plain = (row: { readonly sealedKey: Uint8Array }) => ({ ...row, sealedKey: Buffer.from(row.sealedKey).toString() })

describe.each(engines)('accounts: $kind', ({ open }) => {
  let engine: Engine
  beforeEach(async () => {
    engine = (await open()).engine
  })
  const tx = async <T>(work: (db: Database) => Promise<T>) => engine.tx(work)

  test('numbers accounts from 1, also when several are created at once', async () => {
    const make = async (name: string) => tx(async (db) => createAccount(db, { name, createdAt: T0, settings: DEFAULT_ACCOUNT_SETTINGS }))
    await Promise.all(['a', 'b', 'c'].map(make))
    const offline = await tx(async (db) =>
      createAccount(db, { name: 'a offline', createdAt: T0, settings: DEFAULT_ACCOUNT_SETTINGS, offlineFor: 1 }),
    )
    expect(offline).toMatchObject({ account: 4, offlineFor: 1 })
    const all = await listAccountsForOperator(engine.read)
    expect(all.map(({ account }) => account)).toEqual([1, 2, 3, 4])
    expect(await findAccount(engine.read, 4)).toEqual(offline)
    expect(await findAccount(engine.read, 5)).toBeNull()
    await tx(async (db) => db.run('update accounts set closed_at = $1 where account_id = 4', [T0]))
    expect((await findAccount(engine.read, 4))?.closedAt).toBe(T0)
  })

  test('saves settings with the next version, and only from the version that was read', async () => {
    const { settings } = await tx(async (db) => createAccount(db, { name: 'a', createdAt: T0, settings: DEFAULT_ACCOUNT_SETTINGS }))
    const next = await tx(async (db) => saveAccountSettings(db, 1, { ...settings, zone: 'Asia/Shanghai' }))
    expect(next.version).toBe(settings.version + 1)
    expect((await findAccount(engine.read, 1))?.settings).toEqual(next)
    await expect(tx(async (db) => saveAccountSettings(db, 1, settings))).rejects.toMatchObject({ code: 'conflict' })
    await expect(tx(async (db) => saveAccountSettings(db, 9, settings))).rejects.toMatchObject({ code: 'conflict' })
  })

  test('gives settings that were stored before a setting existed its default', async () => {
    await tx(async (db) => createAccount(db, { name: 'a', createdAt: T0, settings: DEFAULT_ACCOUNT_SETTINGS }))
    await tx(async (db) => db.run('update accounts set settings = $1', ['{"zone":"Europe/Berlin"}']))
    expect((await findAccount(engine.read, 1))?.settings).toEqual({ ...DEFAULT_ACCOUNT_SETTINGS, zone: 'Europe/Berlin' })
  })

  test('an account that was made while mail without an outcome was given up keeps its time limit', async () => {
    await tx(async (db) => createAccount(db, { name: 'a', createdAt: T0, settings: DEFAULT_ACCOUNT_SETTINGS }))
    await tx(async (db) => db.run('update accounts set settings = $1', ['{"giveUpAfterDays":5}']))
    expect((await findAccount(engine.read, 1))?.settings.giveUpAfterDays).toBe(5)
    expect(DEFAULT_ACCOUNT_SETTINGS.giveUpAfterDays).toBe(0)
  })

  test('leaves out settings that only another version knows, and keeps them when it changes others', async () => {
    await tx(async (db) => createAccount(db, { name: 'a', createdAt: T0, settings: DEFAULT_ACCOUNT_SETTINGS }))
    await tx(async (db) => db.run('update accounts set settings = $1', ['{"zone":"Europe/Berlin","ofAnotherVersion":7}']))
    const [account] = await listAccountsForOperator(engine.read)
    expect(account?.settings).toEqual({ ...DEFAULT_ACCOUNT_SETTINGS, zone: 'Europe/Berlin' })
    await tx(async (db) => saveAccountSettings(db, 1, { ...DEFAULT_ACCOUNT_SETTINGS, zone: 'Asia/Shanghai' }))
    const stored: unknown = JSON.parse(String((await engine.read.one('select settings from accounts'))?.['settings']))
    expect(stored).toMatchObject({ zone: 'Asia/Shanghai', ofAnotherVersion: 7, version: 2 })
  })

  test('keeps a rotated key until it expires', async () => {
    await tx(async (db) => addCredential(db, credential()))
    await tx(async (db) => addCredential(db, credential({ keyHash: hashOf('new'), createdAt: T0 + 1 })))
    expect(await tx(async (db) => expireCredentials(db, 1, { apiUser: 'sender', keep: hashOf('new'), at: T0 + 900 }))).toBe(1)
    expect(await tx(async (db) => expireCredentials(db, 2, { apiUser: 'sender', keep: hashOf('x'), at: T0 }))).toBe(0)
    expect((await findCredentialsForOperator(engine.read, 'sender')).map(({ keyHash, expiresAt }) => [keyHash, expiresAt])).toEqual([
      [hashOf('key'), T0 + 900],
      [hashOf('new'), null],
    ])
    expect(await tx(async (db) => removeExpiredCredentialsForOperator(db, T0 + 900))).toBe(1)
    expect(await listCredentials(engine.read, 1)).toEqual([credential({ keyHash: hashOf('new'), createdAt: T0 + 1 })])
    expect(await listCredentials(engine.read, 2)).toEqual([])
  })

  test('the keys of a closed account, or of one that does not exist, are not open; those of operators are', async () => {
    for (const name of ['open', 'closed'])
      await tx(async (db) => createAccount(db, { name, createdAt: T0, settings: DEFAULT_ACCOUNT_SETTINGS }))
    await tx(async (db) => db.run('update accounts set closed_at = $1 where account_id = 2', [T0]))
    const owners = { operator: 0, open: 1, closed: 2, missing: 3 }
    for (const [apiUser, account] of Object.entries(owners)) await tx(async (db) => addCredential(db, credential({ apiUser, account })))
    const found = await Promise.all(Object.keys(owners).map(async (name) => findOpenCredentialsForOperator(engine.read, name)))
    expect(found.flat().map(({ apiUser }) => apiUser)).toEqual(['operator', 'open'])
  })

  test('gives an API user to one account, also when several ask at once', async () => {
    const attempts = [1, 2, 3].map(async (account) => tx(async (db) => addCredential(db, credential({ account }))))
    const ended = await Promise.allSettled(attempts)
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(ended.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'conflict' } })
    expect(await findCredentialsForOperator(engine.read, 'sender')).toHaveLength(1)
    expect(await findCredentialsForOperator(engine.read, 'SENDER')).toEqual([])
  })

  test('token keys: one keyring for each account, keys never overwritten, retired once', async () => {
    const key = { account: 1, index: 0, sealed: Buffer.from('sealed'), createdAt: T0, retiredAt: null }
    await tx(async (db) => addTokenKey(db, key))
    await tx(async (db) => addTokenKey(db, { ...key, index: 1 }))
    await tx(async (db) => addTokenKey(db, { ...key, account: 2 }))
    await expect(tx(async (db) => addTokenKey(db, { ...key, sealed: Buffer.from('other') }))).rejects.toMatchObject({ code: 'conflict' })
    expect(await tx(async (db) => retireTokenKey(db, 1, { index: 0, at: T0 }))).toBe(true)
    expect(await tx(async (db) => retireTokenKey(db, 1, { index: 0, at: T0 + 1 }))).toBe(false)
    expect((await listTokenKeys(engine.read, 1)).map(({ index, retiredAt }) => [index, retiredAt])).toEqual([
      [0, T0],
      [1, null],
    ])
    expect(await listTokenKeys(engine.read, 3)).toEqual([])
    expect(await listTokenKeysForOperator(engine.read)).toHaveLength(3)
  })

  test('reserves blocks of a sequence without overlap', async () => {
    const blocks = await Promise.all(
      Array.from({ length: 12 }, async () => tx(async (db) => reserveSequenceNumbers(db, 1, 'delivery', 100))),
    )
    expect(blocks.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i * 100))
    expect(await tx(async (db) => reserveSequenceNumbers(db, 2, 'delivery', 5))).toBe(0)
    expect(await tx(async (db) => reserveSequenceNumbers(db, 1, 'label', 5))).toBe(0)
  })

  test('metadata: writes, overwrites, initializes once', async () => {
    expect(await readMetadataForOperator(engine.read, 'a')).toBeNull()
    const claims = await Promise.all(['x', 'y'].map(async (value) => tx(async (db) => initializeMetadataForOperator(db, 'a', value))))
    expect(new Set(claims).size).toBe(1)
    await tx(async (db) => writeMetadataForOperator(db, 'a', 'z'))
    expect(await readMetadataForOperator(engine.read, 'a')).toBe('z')
  })

  test('labels: one number for each name, also when two create it at once', async () => {
    const made = await Promise.all([1, 2].map(async () => tx(async (db) => ensureLabels(db, 1, ['News', 'Welcome', 'News'], T0))))
    expect([...(made[0] ?? [])].toSorted(([, a], [, b]) => a - b)).toEqual([...(made[1] ?? [])].toSorted(([, a], [, b]) => a - b))
    await tx(async (db) => ensureLabels(db, 2, ['News'], T0))
    const { rows, total } = await listLabels(engine.read, 1, { limit: 10 })
    expect([rows.map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1)), total]).toEqual([['News', 'Welcome'], 2])
    expect(rows.every(({ labelId }) => labelId > 0)).toBe(true)
    const [first, second] = rows.map(({ labelId }) => labelId)
    const after = await listLabels(engine.read, 1, { after: first ?? 0, limit: 10 })
    expect([after.rows.map(({ labelId }) => labelId), after.total]).toEqual([[second], 2])
    expect((await listLabels(engine.read, 1, { query: 'ELC', limit: 10 })).rows.map(({ name }) => name)).toEqual(['Welcome'])
    expect((await listLabels(engine.read, 3, { limit: 10 })).total).toBe(0)
    const labelId = made[0]?.get('News') ?? 0
    expect(await tx(async (db) => renameLabel(db, 1, { labelId, name: 'Noticias', at: T0 + 1 }))).toBe(true)
    await expect(tx(async (db) => renameLabel(db, 1, { labelId, name: 'Welcome', at: T0 + 2 }))).rejects.toMatchObject({ code: 'conflict' })
    expect(await findLabel(engine.read, 1, labelId)).toMatchObject({ name: 'Noticias', updatedAt: T0 + 1 })
    expect(await tx(async (db) => removeLabel(db, 3, labelId, T0))).toBe(false)
    expect(await tx(async (db) => removeLabel(db, 1, labelId, T0))).toBe(true)
    expect(await tx(async (db) => removeLabel(db, 1, labelId, T0))).toBe(false)
    expect(await findLabel(engine.read, 1, labelId)).toBeNull()
    expect((await listLabels(engine.read, 1, { limit: 10 })).rows.map(({ name }) => name)).not.toContain('Noticias')
  })

  test('keeps the name of a removed label for statistics, and frees it', async () => {
    const old = await tx(async (db) => addLabel(db, 4, 'Spring', T0))
    await expect(tx(async (db) => addLabel(db, 4, 'Spring', T0))).rejects.toMatchObject({ code: 'conflict' })
    await tx(async (db) => removeLabel(db, 4, old.labelId, T0))
    expect(await tx(async (db) => renameLabel(db, 4, { labelId: old.labelId, name: 'x', at: T0 }))).toBe(false)
    const again = await tx(async (db) => addLabel(db, 4, 'Spring', T0))
    expect(again.labelId).not.toBe(old.labelId)
    expect([...(await tx(async (db) => ensureLabels(db, 4, ['Spring'], T0)))]).toEqual([['Spring', again.labelId]])
    const names = await findLabelNames(engine.read, 4, [old.labelId, again.labelId, 999])
    expect([names.get(old.labelId), names.get(again.labelId), names.size]).toEqual(['Spring', 'Spring', 2])
    expect(await findLabelIdsLike(engine.read, 4, ['PRI', 'none'])).toEqual([old.labelId, again.labelId])
    expect(await findLabelIdsLike(engine.read, 4, ['%'])).toEqual([])
    expect(await findLabelIdsLike(engine.read, 4, [])).toEqual([])
  })

  test('keeps the endpoints of accounts apart', async () => {
    const made = await tx(async (db) => addEndpoint(db, endpoint))
    const other = await tx(async (db) => addEndpoint(db, { ...endpoint, account: 2 }))
    expect((await listEndpointsOfAccounts(engine.read, [1])).map(plain)).toEqual([plain(made)])
    expect(await listEndpointsOfAccounts(engine.read, [1, 2, 2, 3])).toHaveLength(2)
    await tx(async (db) => saveEndpoint(db, { ...made, enabled: false }))
    expect((await listEndpointsOfAccounts(engine.read, [1]))[0]?.enabled).toBe(false)
    expect(await tx(async (db) => removeEndpoint(db, 2, made.endpointId + 1))).toBe(false)
    expect(await tx(async (db) => removeEndpoint(db, 2, other.endpointId))).toBe(true)
    expect(await listEndpointsOfAccounts(engine.read, [1, 2])).toHaveLength(1)
  })

  const waiting = (n: number, event: number, over: Partial<OutboxRow> = {}): OutboxRow => ({
    ...createOutboxRow(openFact(n, { id: idOf(event) }), 1, T0),
    ...over,
  })
  const claim = async (now: number, limit = 10) =>
    engine.tx(async (db) => claimOutboxForOperator(db, { now, leaseUntil: now + 60_000, limit }), { visibility: 'latest' })
  const events = (rows: readonly OutboxRow[]) => rows.map(({ eventId }) => eventId).toSorted((a, b) => (a < b ? -1 : 1))

  test('outbox: claims once, in the order of the subject, and again when the lease ends', async () => {
    const rows = [waiting(1, 1), waiting(1, 2), waiting(2, 3), waiting(3, 4, { dueAt: T0 + DAY }), waiting(1, 2, { endpointId: 2 })]
    await tx(async (db) => saveLedgerState(db, createLedgerState(), { outbox: rows }))
    const first = await claim(T0)
    expect(events(first)).toEqual([1, 2, 3].map(idOf))
    expect(first.every(({ state, attempts, dueAt }) => state === 'sending' && attempts === 1 && dueAt === T0 + 60_000)).toBe(true)
    expect(await claim(T0)).toEqual([])
    await tx(async (db) =>
      removeDeliveredOutboxForOperator(
        db,
        first.filter(({ subject, endpointId }) => subject === rows[0]?.subject && endpointId === 1),
      ),
    )
    expect((await claim(T0)).map(({ eventId, endpointId }) => [eventId, endpointId])).toEqual([[idOf(2), 1]])
    const again = await claim(T0 + 60_000)
    expect(again.every(({ attempts }) => attempts === 2 || attempts === 1)).toBe(true)
    expect(events(again)).toEqual([2, 2, 3].map(idOf))
  })

  test('outbox: transitions of the queue are claimed before older events of other kinds', async () => {
    const many = Array.from({ length: 200 }, (_, n) => waiting(n + 1, n + 1))
    const news = { ...openFact(999, { id: idOf(999) }), kind: 'queue' as const } as unknown as Parameters<typeof createOutboxRow>[0]
    await tx(async (db) => saveLedgerState(db, createLedgerState(), { outbox: [...many, createOutboxRow(news, 1, T0 + 1_000)] }))
    expect((await claim(T0 + 1_000, 5)).some(({ eventId }) => eventId === idOf(999))).toBe(true)
  })

  test('outbox: clears one endpoint in small steps, and no other endpoint', async () => {
    const rows = [1, 2, 3, 4, 5].map((n) => waiting(1, n))
    await tx(async (db) =>
      saveLedgerState(db, createLedgerState(), { outbox: [...rows, waiting(1, 1, { endpointId: 2 }), waiting(1, 1, { account: 2 })] }),
    )
    const left = async () => Number((await engine.read.one('select count(*) as n from outbox'))?.['n'])
    expect(await tx(async (db) => clearEndpointHistory(db, 1, 1, 2))).toBe(true)
    expect(await left()).toBe(5)
    expect(await tx(async (db) => clearEndpointHistory(db, 1, 1, 2))).toBe(true)
    expect(await tx(async (db) => clearEndpointHistory(db, 1, 1, 2))).toBe(false)
    expect(await left()).toBe(2)
  })

  test('outbox: keeps failed rows, does not block later ones, and queues them again for a replay', async () => {
    await tx(async (db) => saveLedgerState(db, createLedgerState(), { outbox: [waiting(1, 1), waiting(1, 2)] }))
    const [row] = await claim(T0)
    if (row !== undefined) await tx(async (db) => rescheduleOutboxForOperator(db, [{ ...row, state: 'failed', error: 'HTTP 500' }]))
    expect(events(await claim(T0))).toEqual([idOf(2)])
    expect((await listOutbox(engine.read, 1, 1, 10)).map(({ state, error }) => [state, error])).toEqual([
      ['failed', 'HTTP 500'],
      ['sending', null],
    ])
    expect(await listOutbox(engine.read, 2, 1, 10)).toEqual([])
    const eventIds = [idOf(1), idOf(2)]
    expect(await tx(async (db) => requeueFailedOutbox(db, { account: 2, endpointId: 1 }, { eventIds, dueAt: T0 }))).toBe(0)
    expect(await tx(async (db) => requeueFailedOutbox(db, { account: 1, endpointId: 1 }, { eventIds, dueAt: T0 }))).toBe(1)
    expect(events(await claim(T0 + 1))).toEqual([idOf(1)])
  })

  test('records: queues delivered events again, complaints and unsubscribes first, and leaves waiting ones alone', async () => {
    const kinds = ['request', 'open', 'complaint', 'unsubscribe'] as const
    const records = kinds.map((kind, n) => {
      const { account, endpointId, eventId, subject, deliveryMonth, dedupKey } = waiting(n, n + 1)
      const key = { account, endpointId, eventId, subject, deliveryMonth, dedupKey, kind }
      return { ...key, event: kind, emailId: null, state: 'heard', tries: 1, happenedAt: T0, lastAt: T0, log: [] } as const
    })
    expect(await tx((db) => requeueWebhookRecords(db, records, T0))).toBe(4)
    expect(await tx((db) => requeueWebhookRecords(db, records, T0))).toBe(0)
    expect((await claim(T0)).map(({ kind }) => kind)).toEqual(['complaint', 'unsubscribe'])
    expect((await claim(T0 + 1)).map(({ kind }) => kind)).toEqual(['request', 'open'])
  })

  test('outbox: never gives the same row to two of ten nodes', async () => {
    await tx(async (db) => saveLedgerState(db, createLedgerState(), { outbox: Array.from({ length: 60 }, (_, i) => waiting(i, i)) }))
    const taken = (await Promise.all(Array.from({ length: 10 }, async () => claim(T0, 6)))).flat()
    expect(new Set(taken.map(({ eventId }) => eventId)).size).toBe(taken.length)
    expect(taken.length + (await claim(T0, 100)).length).toBe(60)
  })
})
