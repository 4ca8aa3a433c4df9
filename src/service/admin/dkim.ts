/**
 * dkim - adds, activates, rotates and removes the DKIM keys of an account's domains
 *
 * A new key is `waiting` until its DNS record is visible, or until an operator states that it is published. Then it becomes `active`, and
 * the key of the same algorithm that was active before becomes `retired`: its private key is deleted, and its DNS record must stay
 * published as long as messages that it signed may be on their way. Each change creates an audit fact.
 *
 * RFC 6376 §3.1 (selectors), §3.6 (key records). See also: store/account/dkim-keys, mail-auth/dkim-sign, docs/SENDING.md.
 */
import type { DkimAlgorithm } from '../../compose/dkim-canonical.ts'
import { normaliseDomain } from '../../correlate/address-hash.ts'
import type { DnsLookup } from '../../net/dns.ts'
import { dkimRecord, generateDkimKeyPair } from '../../mail-auth/dkim-sign.ts'
import type { Vault } from '../../config/vault.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import type { Database } from '../../store/engine/engine.ts'
import {
  addDkimKey,
  listDkimKeysForOperator,
  listDkimKeys,
  removeDkimKey,
  saveDkimKey,
  type DkimKey,
} from '../../store/account/dkim-keys.ts'
import type { Context } from '../context.ts'
import { DKIM_PURPOSE } from '../deliver/signing-keys.ts'
import { transact } from '../transact.ts'

/** A key without its private key, and its DNS record. */
export type DkimView = Pick<DkimKey, 'domain' | 'selector' | 'algorithm' | 'state' | 'createdAt' | 'stateAt'> & {
  readonly recordName: string
  readonly recordText: string
  /** When the DNS record of a retired key may be removed (epoch ms); null for other keys. */
  readonly keepUntil: number | null
}

type DkimDomainRef = { readonly account: number; readonly actor: string; readonly domain: string }
type DkimKeyRef = DkimDomainRef & { readonly selector: string }

/** `isPublished`: an operator states that the DNS record is published, so DNS is not queried. */
type NewDkimKey = DkimDomainRef & {
  /** Null: a selector is generated. */
  readonly selector: string | null
  readonly algorithm: DkimAlgorithm
  readonly isPublished: boolean
}

export type DkimKeyService = {
  /** Lists the keys of an account, the newest of each domain first. */
  readonly list: (account: number) => Promise<readonly DkimView[]>
  /** Generates a key. Faults: bad_request (domain, selector), conflict (the selector is taken, too many keys). */
  readonly add: (newKey: NewDkimKey) => Promise<DkimView>
  /** Generates a new key for each algorithm that the domain signs with. Faults: not_found (it has no active key). */
  readonly rotate: (domain: DkimDomainRef) => Promise<readonly DkimView[]>
  /** Makes a key active. Faults: not_found, conflict (its record is not visible, or it is retired). */
  readonly activate: (key: DkimKeyRef & { readonly isPublished: boolean }) => Promise<DkimView>
  /** Removes one key, or all keys of a domain if `selector` is null. Resolves to the number of removed keys. */
  readonly remove: (keys: DkimDomainRef & { readonly selector: string | null }) => Promise<number>
}

/** Delivery is attempted for 5 days; the rest allows for receivers that verify late. */
const KEEP_RETIRED_MS = 7 * 86_400_000
/** Two algorithms, each with an active key, a waiting one and several retired ones. */
const MAX_KEYS = 20
const SELECTOR_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

type DkimServiceOptions = { readonly vault: Vault; readonly lookUp: DnsLookup }

export function createDkimKeyService(context: Context, { vault, lookUp }: DkimServiceOptions): DkimKeyService {
  const { engine } = context
  return {
    list: async (account) => (await listDkimKeys(engine.read, account)).map(viewOf),
    add: (newKey) => addKey(context, vault, newKey),
    rotate: (domain) => rotateKeys(context, vault, domain),
    activate: async (ref) => {
      const key = await findKey(engine.read, ref)
      if (!ref.isPublished && !(await isPublishedInDns(lookUp, key)))
        throw new Fault('conflict', `the DNS record ${dkimRecord(key).name} is not visible yet`)
      return transact(context, {}, async ({ db, moment }) => {
        const current = await findKey(db, ref)
        if (current.state === 'retired') throw new Fault('conflict', 'the private key of a retired key is deleted: rotate instead')
        const active = current.state === 'active' ? current : await activateKey(db, current, moment.at)
        return { result: viewOf(active), facts: [auditOf(ref, moment, { action: 'dkim.activate', key: active })] }
      })
    },
    remove: (ref) =>
      transact(context, {}, async ({ db, moment }) => {
        const keys = await listDkimKeys(db, ref.account, parseDomain(ref.domain))
        const removed = keys.filter(({ selector }) => ref.selector === null || selector === ref.selector.toLowerCase())
        for (const key of removed) await removeDkimKey(db, ref.account, key)
        return { result: removed.length, facts: removed.map((key) => auditOf(ref, moment, { action: 'dkim.remove', key })) }
      }),
  }
}

async function addKey(context: Context, vault: Vault, newKey: NewDkimKey): Promise<DkimView> {
  const key = await generateKey(context, vault, newKey)
  return transact(context, {}, async ({ db, moment }) => {
    const keys = await listDkimKeys(db, key.account, key.domain)
    if (keys.length >= MAX_KEYS) throw new Fault('conflict', `a domain has at most ${MAX_KEYS} keys: remove retired ones`)
    if (keys.some(({ selector }) => selector === key.selector)) throw new Fault('conflict', `the selector "${key.selector}" is taken`)
    await addDkimKey(db, key)
    const added = newKey.isPublished ? await activateKey(db, key, moment.at) : key
    return { result: viewOf(added), facts: [auditOf(newKey, moment, { action: 'dkim.add', key })] }
  })
}

async function generateKey({ now }: Context, vault: Vault, newKey: NewDkimKey): Promise<DkimKey> {
  const { account, algorithm } = newKey
  const { privateKey, publicKey } = await generateDkimKeyPair(algorithm)
  const at = now()
  const selector = newKey.selector?.toLowerCase() ?? generateSelector(algorithm, at)
  const domain = parseDomain(newKey.domain)
  if (!SELECTOR_PATTERN.test(selector)) throw new Fault('bad_request', 'a selector is one DNS label of letters, digits and hyphens')
  const sealed = vault.encrypt(privateKey, DKIM_PURPOSE)
  return { account, domain, selector, algorithm, publicKey, sealed, state: 'waiting', createdAt: at, stateAt: at }
}

async function rotateKeys(context: Context, vault: Vault, ref: DkimDomainRef): Promise<readonly DkimView[]> {
  const keys = await listDkimKeys(context.engine.read, ref.account, parseDomain(ref.domain))
  const algorithms = [...new Set(keys.filter(({ state }) => state === 'active').map(({ algorithm }) => algorithm))]
  if (algorithms.length === 0) throw new Fault('not_found', 'this domain has no active key: add one')
  const added: DkimView[] = []
  for (const algorithm of algorithms) added.push(await addKey(context, vault, { ...ref, algorithm, selector: null, isPublished: false }))
  return added
}

/**
 * Activates waiting keys whose DNS record is visible, and removes retired keys that are no longer kept. The daemon calls it at intervals.
 * Idempotent. Faults: store_busy.
 */
export async function maintainDkimKeys(context: Context, lookUp: DnsLookup): Promise<void> {
  const { engine, now } = context
  for (const key of await listDkimKeysForOperator(engine.read, 'waiting'))
    if (await isPublishedInDns(lookUp, key)) await activateWaitingKey(context, key)
  const expired = (await listDkimKeysForOperator(engine.read, 'retired')).filter(({ stateAt }) => stateAt + KEEP_RETIRED_MS <= now())
  if (expired.length === 0) return
  await engine.tx(async (db) => {
    for (const key of expired) await removeDkimKey(db, key.account, key)
  })
}

async function activateWaitingKey(context: Context, key: DkimKey): Promise<void> {
  const { account, domain, selector } = key
  const isActivated = await transact(context, {}, async ({ db, moment }) => {
    const current = (await listDkimKeys(db, account, domain)).find((each) => each.selector === selector)
    if (current?.state !== 'waiting') return { result: false }
    await activateKey(db, current, moment.at)
    return { result: true, facts: [auditOf({ account, actor: 'daemon' }, moment, { action: 'dkim.activate', key })] }
  })
  context.telemetry.log.debug({ account, domain, selector, isActivated }, 'DKIM record is visible')
}

/** Makes a key active. Retires the active key of the same algorithm and deletes its private key. */
async function activateKey(db: Database, key: DkimKey, at: number): Promise<DkimKey> {
  for (const other of await listDkimKeys(db, key.account, key.domain)) {
    if (other.state === 'active' && other.algorithm === key.algorithm && other.selector !== key.selector)
      await saveDkimKey(db, { ...other, state: 'retired', sealed: null, stateAt: at })
  }
  const active: DkimKey = { ...key, state: 'active', stateAt: at }
  await saveDkimKey(db, active)
  return active
}

async function findKey(reader: Parameters<typeof listDkimKeys>[0], { account, domain, selector }: DkimKeyRef): Promise<DkimKey> {
  const key = (await listDkimKeys(reader, account, parseDomain(domain))).find((each) => each.selector === selector.toLowerCase())
  if (key === undefined) throw new Fault('not_found', 'this domain has no key with this selector')
  return key
}

/** Whether DNS holds a record with this public key. A lookup that fails counts as no. */
async function isPublishedInDns(lookUp: DnsLookup, key: DkimKey): Promise<boolean> {
  try {
    const records = await lookUp(dkimRecord(key).name, 'TXT')
    return records.some((record) => [record].flat().join('').replaceAll(/\s/g, '').split(';').includes(`p=${key.publicKey}`))
  } catch {
    return false
  }
}

function parseDomain(text: string): string {
  const domain = normaliseDomain(text)
  if (domain === null || !domain.includes('.')) throw new Fault('bad_request', 'this is not a domain')
  return domain
}

/** The selector shows when the key was generated; a trailing `e` means Ed25519. */
function generateSelector(algorithm: DkimAlgorithm, at: number): string {
  const stamp = new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)
  return `b${stamp}${algorithm === 'ed25519' ? 'e' : ''}`
}

function viewOf(key: DkimKey): DkimView {
  const { domain, selector, algorithm, state, createdAt, stateAt } = key
  const { name, text } = dkimRecord(key)
  const keepUntil = state === 'retired' ? stateAt + KEEP_RETIRED_MS : null
  return { domain, selector, algorithm, state, createdAt, stateAt, recordName: name, recordText: text, keepUntil }
}

type DkimAudit = { readonly action: string; readonly key: Pick<DkimKey, 'domain' | 'selector'> }

function auditOf({ account, actor }: Pick<DkimDomainRef, 'account' | 'actor'>, moment: FactMoment, { action, key }: DkimAudit): Fact {
  return createAuditFact(account, action, { domain: key.domain, selector: key.selector }, { actor, moment })
}
