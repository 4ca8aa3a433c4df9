/**
 * account-cache - the accounts and the ring of token keys, as a batch needs them: at once and in memory
 *
 * Read from the store at most once a second and whenever somebody changed them here; so another node's change is seen within a
 * second. Numbers that mint offline point at the account that owns them.
 *
 * See also: store/account/accounts, store/account/token-keys, correlate/token-keys.
 */
import { type KeyFor, MAX_KEY_INDEX } from '../correlate/token-keys.ts'
import type { AccountOf } from '../correlate/match.ts'
import { DEFAULT_SETTINGS, type AccountSettings } from '../ledger/account-settings.ts'
import { listAccountsForOperator, type Account } from '../store/account/accounts.ts'
import { listCutsForOperator } from '../store/lists/blocks.ts'
import type { Engine } from '../store/engine/engine.ts'
import { listRouteDomainsForOperator } from '../store/mail/forward-domains.ts'
import { retiredBeforeForOperator } from '../store/facts/retention.ts'
import { tokenKeysForOperator, type TokenKey } from '../store/account/token-keys.ts'
import { createCutList, type CutList } from './admin/blocks.ts'

/** One reading of the book. All members are plain look-ups. */
export type Page = {
  readonly accounts: readonly Account[]
  readonly settingsOf: (account: number) => AccountSettings
  readonly accountOf: AccountOf
  readonly keyFor: KeyFor
  /** The index that new tokens are signed with. */
  readonly signingIndex: number
  readonly cuts: CutList
  /** Domains that take mail for an account, with whose they are. */
  readonly routes: ReadonlyMap<string, number>
  /** Mails requested before this moment are retired, or about to be. */
  readonly keptFrom: number
}

export type Book = {
  /** The present page; reads the store when the last one is older than a second. */
  readonly open: () => Promise<Page>
  /** The next `open` reads again. */
  readonly turn: () => void
}

const FRESH_MS = 1_000

/** Derives the key of an account's number under one key of the ring. */
export type Derive = (ring: TokenKey, account: number) => Uint8Array

/** Makes the book. */
export function createBook(engine: Engine, derive: Derive, now: () => number): Book {
  let page: Promise<Page> | null = null
  let readAt = -Infinity
  return {
    open: () => {
      if (page === null || now() - readAt > FRESH_MS) {
        readAt = now()
        const reading = readPage(engine, derive)
        page = reading
        reading.catch(() => {
          if (page === reading) page = null
        })
      }
      return page
    },
    turn: () => {
      page = null
    },
  }
}

async function readPage(engine: Engine, derive: Derive): Promise<Page> {
  const { read } = engine
  const [accounts, keys, cuts, routes, keptFrom] = await Promise.all([
    listAccountsForOperator(read),
    tokenKeysForOperator(read),
    listCutsForOperator(read),
    listRouteDomainsForOperator(read),
    retiredBeforeForOperator(read),
  ])
  const byNumber = new Map(accounts.map((account) => [account.account, account]))
  const ring = new Map(keys.filter((key) => key.account === 0 && key.retiredAt === null).map((key) => [key.index, key]))
  const derived = new Map<number, Uint8Array>()
  const signing = [...ring.keys()]
  return {
    accounts,
    settingsOf: (account) => byNumber.get(account)?.settings ?? DEFAULT_SETTINGS,
    accountOf: (number) => {
      const found = byNumber.get(number)
      if (found === undefined || found.closedAt !== null) return null
      return { account: found.offlineFor ?? number, offline: found.offlineFor !== null }
    },
    keyFor: (account, index) => {
      const key = ring.get(index)
      if (key === undefined || !byNumber.has(account)) return null
      const name = account * (MAX_KEY_INDEX + 1) + index
      const known = derived.get(name) ?? derive(key, account)
      derived.set(name, known)
      return known
    },
    signingIndex: signing.length === 0 ? 0 : Math.max(...signing),
    cuts: createCutList(cuts),
    routes: new Map(
      routes.filter(({ account }) => byNumber.get(account)?.closedAt === null).map(({ domain, account }) => [domain, account]),
    ),
    keptFrom,
  }
}
