/**
 * dkim - the signing keys of an account's domains: made, seen in DNS, rotated, removed
 *
 * A new key waits until its record can be seen, or an operator says that it stands there; then it signs, and the one that signed before it is retired:
 * its private half is erased, and its record must stay for as long as mail of it may be on its way. Each change is audited.
 *
 * RFC 6376 §3.6, §3.1 (selectors). See also: store/account/dkim-keys, mail-auth/dkim-sign, docs/SENDING.md.
 */
import type { DkimAlgorithm } from '../../compose/dkim-canonical.ts'
import { normaliseDomain } from '../../correlate/address-hash.ts'
import type { DnsLookup } from '../../net/dns.ts'
import { dkimRecord, generateDkimKeyPair } from '../../mail-auth/dkim-sign.ts'
import type { Vault } from '../../config/vault.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { createLedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import {
  addDkimKey,
  listDkimKeysForOperator,
  listDkimKeys,
  removeDkimKey,
  saveDkimKey,
  type DkimKey,
} from '../../store/account/dkim-keys.ts'
import { commitLedgerState } from '../commit.ts'
import type { Context } from '../context.ts'
import { DKIM_PURPOSE } from '../deliver/signing-keys.ts'

/** A key without its private half, with its record. */
export type DkimView = Pick<DkimKey, 'domain' | 'selector' | 'algorithm' | 'state' | 'createdAt' | 'stateAt'> & {
  readonly recordName: string
  readonly recordText: string
  /** Of a retired key: from then on its record may go. */
  readonly keepUntil: number | null
}

export type DkimDomainRef = { readonly account: number; readonly actor: string; readonly domain: string }
export type DkimKeyRef = DkimDomainRef & { readonly selector: string }

/** `isPublished`: an operator says that the record stands there, and it is not looked for. */
export type NewDkimKey = DkimDomainRef & {
  readonly selector: string | null
  readonly algorithm: DkimAlgorithm
  readonly isPublished: boolean
}

export type DkimKeyService = {
  /** The keys of an account, the newest of a domain first. */
  readonly list: (account: number) => Promise<readonly DkimView[]>
  /** Makes a key. Faults: bad_request (domain, selector), conflict (the selector is taken, too many keys). */
  readonly add: (call: NewDkimKey) => Promise<DkimView>
  /** A new key for each kind that the domain signs with. Faults: not_found (it has none). */
  readonly rotate: (call: DkimDomainRef) => Promise<readonly DkimView[]>
  /** Lets a key sign. Without `isPublished` its record must be seen. Faults: not_found, conflict (not seen). */
  readonly activate: (call: DkimKeyRef & { readonly isPublished: boolean }) => Promise<DkimView>
  /** Removes one key, or all of a domain; how many. */
  readonly remove: (call: DkimDomainRef & { readonly selector: string | null }) => Promise<number>
}

/** Mail is tried for 5 days, and what came late is checked once more. */
export const KEEP_RETIRED_MS = 7 * 86_400_000
/** Two kinds, each with one that signs, one that waits and some that are retired. */
const MAX_KEYS = 20
const SELECTOR_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

export type DkimServiceOptions = { readonly vault: Vault; readonly lookUp: DnsLookup }

/** Makes the door. */
export function createDkimKeyService(context: Context, { vault, lookUp }: DkimServiceOptions): DkimKeyService {
  const { engine, now } = context
  const make = async (call: NewDkimKey): Promise<DkimKey> => {
    const { privateKey, publicKey } = await generateDkimKeyPair(call.algorithm)
    const at = now()
    const selector = call.selector?.toLowerCase() ?? makeSelector(call.algorithm, at)
    const domain = parseDomain(call.domain)
    if (!SELECTOR_PATTERN.test(selector)) throw new Fault('bad_request', 'a selector is a label of DNS: letters, digits and -')
    const sealed = vault.encrypt(privateKey, DKIM_PURPOSE)
    const { account, algorithm } = call
    return { account, domain, selector, algorithm, publicKey, sealed, state: 'waiting', createdAt: at, stateAt: at }
  }
  const add = async (call: NewDkimKey): Promise<DkimView> => {
    const key = await make(call)
    return engine.tx(async (db) => {
      const held = await listDkimKeys(db, call.account, key.domain)
      if (held.length >= MAX_KEYS) throw new Fault('conflict', `a domain has at most ${MAX_KEYS} keys: remove retired ones`)
      if (held.some(({ selector }) => selector === key.selector)) throw new Fault('conflict', `the selector "${key.selector}" is taken`)
      await addDkimKey(db, key)
      await writeAudit(context, db, { by: call, action: 'dkim.add', key })
      return viewOf(call.isPublished ? await activateKey(db, key, now()) : key)
    })
  }
  return {
    list: async (account) => (await listDkimKeys(engine.read, account)).map(viewOf),
    add,
    rotate: async (call) => {
      const held = await listDkimKeys(engine.read, call.account, parseDomain(call.domain))
      const kinds = [...new Set(held.filter(({ state }) => state === 'active').map(({ algorithm }) => algorithm))]
      if (kinds.length === 0) throw new Fault('not_found', 'this domain signs with no key yet: add one')
      const made: DkimView[] = []
      for (const algorithm of kinds) made.push(await add({ ...call, algorithm, selector: null, isPublished: false }))
      return made
    },
    activate: async (call) => {
      const key = await findKey(engine.read, call)
      if (!call.isPublished && !(await isPublishedInDns(lookUp, key)))
        throw new Fault('conflict', `the record ${dkimRecord(key).name} cannot be seen yet`)
      return engine.tx(async (db) => {
        const fresh = await findKey(db, call)
        if (fresh.state === 'retired') throw new Fault('conflict', 'a retired key has no private half any more: rotate')
        await writeAudit(context, db, { by: call, action: 'dkim.activate', key: fresh })
        return viewOf(fresh.state === 'active' ? fresh : await activateKey(db, fresh, now()))
      })
    },
    remove: (call) =>
      engine.tx(async (db) => {
        const held = await listDkimKeys(db, call.account, parseDomain(call.domain))
        const gone = held.filter(({ selector }) => call.selector === null || selector === call.selector.toLowerCase())
        for (const key of gone) {
          await removeDkimKey(db, call.account, key)
          await writeAudit(context, db, { by: call, action: 'dkim.remove', key })
        }
        return gone.length
      }),
  }
}

/** Lets keys sign whose records can be seen by now, and forgets retired ones whose time is over. For the daemon, from time to time. */
export async function maintainDkimKeys(context: Context, lookUp: DnsLookup): Promise<void> {
  const { engine, now } = context
  for (const key of await listDkimKeysForOperator(engine.read, 'waiting')) {
    if (!(await isPublishedInDns(lookUp, key))) continue
    await engine.tx(async (db) => {
      const fresh = (await listDkimKeys(db, key.account, key.domain)).find(({ selector }) => selector === key.selector)
      if (fresh?.state !== 'waiting') return
      await activateKey(db, fresh, now())
      await writeAudit(context, db, { by: { account: key.account, actor: 'daemon' }, action: 'dkim.activate', key })
    })
  }
  const over = (await listDkimKeysForOperator(engine.read, 'retired')).filter(({ stateAt }) => stateAt + KEEP_RETIRED_MS <= now())
  if (over.length === 0) return
  await engine.tx(async (db) => {
    for (const key of over) await removeDkimKey(db, key.account, key)
  })
}

/** The key signs from now on; those of its kind that signed are retired and lose their private half. */
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
  if (key === undefined) throw new Fault('not_found', 'this domain has no key of that selector')
  return key
}

/** Whether its record stands in DNS with this very key. What cannot be asked is not seen. */
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
  if (domain === null || !domain.includes('.')) throw new Fault('bad_request', 'this is no domain')
  return domain
}

/** Named by when it was made, so that a person sees its age; `e` behind it is Ed25519. */
function makeSelector(algorithm: DkimAlgorithm, at: number): string {
  const stamp = new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)
  return `b${stamp}${algorithm === 'ed25519' ? 'e' : ''}`
}

function viewOf(key: DkimKey): DkimView {
  const { domain, selector, algorithm, state, createdAt, stateAt } = key
  const { name, text } = dkimRecord(key)
  const keepUntil = state === 'retired' ? stateAt + KEEP_RETIRED_MS : null
  return { domain, selector, algorithm, state, createdAt, stateAt, recordName: name, recordText: text, keepUntil }
}

/** What was done to which key, by whom. */
type AuditEntry = {
  readonly by: Pick<DkimDomainRef, 'account' | 'actor'>
  readonly action: string
  readonly key: Pick<DkimKey, 'domain' | 'selector'>
}

async function writeAudit(context: Context, db: Database, { by, action, key }: AuditEntry): Promise<void> {
  const ledgerState = createLedgerState()
  const at = context.now()
  const settings = (await context.accountCache.snapshot()).settingsOf(by.account)
  const actionContext = { actor: by.actor, settings, moment: { at, receivedAt: at, ids: context.ids } }
  applyFacts(ledgerState, [createAuditFact(by.account, action, { domain: key.domain, selector: key.selector }, actionContext)])
  await commitLedgerState(db, ledgerState, { now: at, notify: () => true })
}
