/**
 * dkim - the signing keys of an account's domains: made, seen in DNS, rotated, removed
 *
 * A new key waits until its record can be seen, or an operator says that it stands there; then it signs, and the one that signed before it is retired:
 * its private half is erased, and its record must stay for as long as mail of it may be on its way. Each change is audited.
 *
 * RFC 6376 §3.6, §3.1 (selectors). See also: store/account/dkim-keys, mail-auth/dkim-sign, docs/SENDING.md.
 */
import type { DkimAlgorithm } from '../../compose/dkim-canonical.ts'
import { knowDomain } from '../../correlate/address-hash.ts'
import type { LookUp } from '../../net/dns.ts'
import { dkimRecord, makeDkimPair } from '../../mail-auth/dkim-sign.ts'
import type { Vault } from '../../config/vault.ts'
import { Fault } from '../../errors.ts'
import { audit } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { emptyWorld } from '../../ledger/project/state.ts'
import type { Db } from '../../store/engine/engine.ts'
import { addDkimKey, dkimKeysForOperator, listDkimKeys, removeDkimKey, saveDkimKey, type DkimKey } from '../../store/account/dkim-keys.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'
import { DKIM_PURPOSE } from '../deliver/signing-keys.ts'

/** A key without its private half, with its record. */
export type DkimView = Pick<DkimKey, 'domain' | 'selector' | 'algorithm' | 'state' | 'createdAt' | 'stateAt'> & {
  readonly recordName: string
  readonly recordText: string
  /** Of a retired key: from then on its record may go. */
  readonly keepUntil: number | null
}

export type DkimCall = { readonly account: number; readonly actor: string; readonly domain: string }
export type DkimName = DkimCall & { readonly selector: string }

/** `isPublished`: an operator says that the record stands there, and it is not looked for. */
export type NewDkim = DkimCall & { readonly selector: string | null; readonly algorithm: DkimAlgorithm; readonly isPublished: boolean }

export type Dkim = {
  /** The keys of an account, the newest of a domain first. */
  readonly list: (account: number) => Promise<readonly DkimView[]>
  /** Makes a key. Faults: bad_request (domain, selector), conflict (the selector is taken, too many keys). */
  readonly add: (call: NewDkim) => Promise<DkimView>
  /** A new key for each kind that the domain signs with. Faults: not_found (it has none). */
  readonly rotate: (call: DkimCall) => Promise<readonly DkimView[]>
  /** Lets a key sign. Without `isPublished` its record must be seen. Faults: not_found, conflict (not seen). */
  readonly activate: (call: DkimName & { readonly isPublished: boolean }) => Promise<DkimView>
  /** Removes one key, or all of a domain; how many. */
  readonly remove: (call: DkimCall & { readonly selector: string | null }) => Promise<number>
}

/** Mail is tried for 5 days, and what came late is checked once more. */
export const KEEP_RETIRED_MS = 7 * 86_400_000
/** Two kinds, each with one that signs, one that waits and some that are retired. */
const MOST_KEYS = 20
const SELECTOR = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

export type DkimParts = { readonly vault: Vault; readonly lookUp: LookUp }

/** Makes the door. */
export function createDkim(shop: Shop, { vault, lookUp }: DkimParts): Dkim {
  const { engine, now } = shop
  const make = async (call: NewDkim): Promise<DkimKey> => {
    const { privateKey, publicKey } = await makeDkimPair(call.algorithm)
    const at = now()
    const selector = call.selector?.toLowerCase() ?? selectorOf(call.algorithm, at)
    const domain = domainOf(call.domain)
    if (!SELECTOR.test(selector)) throw new Fault('bad_request', 'a selector is a label of DNS: letters, digits and -')
    const sealed = vault.seal(privateKey, DKIM_PURPOSE)
    const { account, algorithm } = call
    return { account, domain, selector, algorithm, publicKey, sealed, state: 'waiting', createdAt: at, stateAt: at }
  }
  const add = async (call: NewDkim): Promise<DkimView> => {
    const key = await make(call)
    return engine.tx(async (db) => {
      const held = await listDkimKeys(db, call.account, key.domain)
      if (held.length >= MOST_KEYS) throw new Fault('conflict', `a domain has at most ${MOST_KEYS} keys: remove retired ones`)
      if (held.some(({ selector }) => selector === key.selector)) throw new Fault('conflict', `the selector "${key.selector}" is taken`)
      await addDkimKey(db, key)
      await note(shop, db, { by: call, what: 'dkim.add', key })
      return view(call.isPublished ? await raise(db, key, now()) : key)
    })
  }
  return {
    list: async (account) => (await listDkimKeys(engine.read, account)).map(view),
    add,
    rotate: async (call) => {
      const held = await listDkimKeys(engine.read, call.account, domainOf(call.domain))
      const kinds = [...new Set(held.filter(({ state }) => state === 'active').map(({ algorithm }) => algorithm))]
      if (kinds.length === 0) throw new Fault('not_found', 'this domain signs with no key yet: add one')
      const made: DkimView[] = []
      for (const algorithm of kinds) made.push(await add({ ...call, algorithm, selector: null, isPublished: false }))
      return made
    },
    activate: async (call) => {
      const key = await find(engine.read, call)
      if (!call.isPublished && !(await isSeen(lookUp, key)))
        throw new Fault('conflict', `the record ${dkimRecord(key).name} cannot be seen yet`)
      return engine.tx(async (db) => {
        const fresh = await find(db, call)
        if (fresh.state === 'retired') throw new Fault('conflict', 'a retired key has no private half any more: rotate')
        await note(shop, db, { by: call, what: 'dkim.activate', key: fresh })
        return view(fresh.state === 'active' ? fresh : await raise(db, fresh, now()))
      })
    },
    remove: (call) =>
      engine.tx(async (db) => {
        const held = await listDkimKeys(db, call.account, domainOf(call.domain))
        const gone = held.filter(({ selector }) => call.selector === null || selector === call.selector.toLowerCase())
        for (const key of gone) {
          await removeDkimKey(db, call.account, key)
          await note(shop, db, { by: call, what: 'dkim.remove', key })
        }
        return gone.length
      }),
  }
}

/** Lets keys sign whose records can be seen by now, and forgets retired ones whose time is over. For the daemon, from time to time. */
export async function tendDkimKeys(shop: Shop, lookUp: LookUp): Promise<void> {
  const { engine, now } = shop
  for (const key of await dkimKeysForOperator(engine.read, 'waiting')) {
    if (!(await isSeen(lookUp, key))) continue
    await engine.tx(async (db) => {
      const fresh = (await listDkimKeys(db, key.account, key.domain)).find(({ selector }) => selector === key.selector)
      if (fresh?.state !== 'waiting') return
      await raise(db, fresh, now())
      await note(shop, db, { by: { account: key.account, actor: 'daemon' }, what: 'dkim.activate', key })
    })
  }
  const over = (await dkimKeysForOperator(engine.read, 'retired')).filter(({ stateAt }) => stateAt + KEEP_RETIRED_MS <= now())
  if (over.length === 0) return
  await engine.tx(async (db) => {
    for (const key of over) await removeDkimKey(db, key.account, key)
  })
}

/** The key signs from now on; those of its kind that signed are retired and lose their private half. */
async function raise(db: Db, key: DkimKey, at: number): Promise<DkimKey> {
  for (const other of await listDkimKeys(db, key.account, key.domain)) {
    if (other.state === 'active' && other.algorithm === key.algorithm && other.selector !== key.selector)
      await saveDkimKey(db, { ...other, state: 'retired', sealed: null, stateAt: at })
  }
  const active: DkimKey = { ...key, state: 'active', stateAt: at }
  await saveDkimKey(db, active)
  return active
}

async function find(reader: Parameters<typeof listDkimKeys>[0], { account, domain, selector }: DkimName): Promise<DkimKey> {
  const key = (await listDkimKeys(reader, account, domainOf(domain))).find((each) => each.selector === selector.toLowerCase())
  if (key === undefined) throw new Fault('not_found', 'this domain has no key of that selector')
  return key
}

/** Whether its record stands in DNS with this very key. What cannot be asked is not seen. */
async function isSeen(lookUp: LookUp, key: DkimKey): Promise<boolean> {
  try {
    const records = await lookUp(dkimRecord(key).name, 'TXT')
    return records.some((record) => [record].flat().join('').replaceAll(/\s/g, '').split(';').includes(`p=${key.publicKey}`))
  } catch {
    return false
  }
}

function domainOf(text: string): string {
  const domain = knowDomain(text)
  if (domain === null || !domain.includes('.')) throw new Fault('bad_request', 'this is no domain')
  return domain
}

/** Named by when it was made, so that a person sees its age; `e` behind it is Ed25519. */
function selectorOf(algorithm: DkimAlgorithm, at: number): string {
  const stamp = new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)
  return `b${stamp}${algorithm === 'ed25519' ? 'e' : ''}`
}

function view(key: DkimKey): DkimView {
  const { domain, selector, algorithm, state, createdAt, stateAt } = key
  const { name, text } = dkimRecord(key)
  const keepUntil = state === 'retired' ? stateAt + KEEP_RETIRED_MS : null
  return { domain, selector, algorithm, state, createdAt, stateAt, recordName: name, recordText: text, keepUntil }
}

/** What was done to which key, by whom. */
type Note = { readonly by: Pick<DkimCall, 'account' | 'actor'>; readonly what: string; readonly key: Pick<DkimKey, 'domain' | 'selector'> }

async function note(shop: Shop, db: Db, { by, what, key }: Note): Promise<void> {
  const world = emptyWorld()
  const at = shop.now()
  const settings = (await shop.book.open()).settingsOf(by.account)
  const hand = { actor: by.actor, settings, moment: { at, receivedAt: at, ids: shop.ids } }
  applyFacts(world, [audit(by.account, what, { domain: key.domain, selector: key.selector }, hand)])
  await commitWorld(db, world, { now: at, notify: () => true })
}
