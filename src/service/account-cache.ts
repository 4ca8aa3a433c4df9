/**
 * account-cache - the accounts and the ring of token keys, as a batch needs them: at once and in memory
 *
 * Read from the store at most once a second and whenever somebody changed them here; so another node's change is seen within a
 * second. Numbers that mint offline point at the account that owns them.
 *
 * See also: store/account/accounts, store/account/token-keys, correlate/token-keys.
 */
import { type TokenKeyLookup, MAX_KEY_INDEX } from '../correlate/token-keys.ts'
import type { AccountLookup } from '../correlate/match.ts'
import { DEFAULT_ACCOUNT_SETTINGS, type AccountSettings } from '../ledger/account-settings.ts'
import { listAccountsForOperator, type Account } from '../store/account/accounts.ts'
import { listAccessBlocksForOperator } from '../store/lists/blocks.ts'
import type { Engine } from '../store/engine/engine.ts'
import { listForwardDomainsForOperator } from '../store/mail/forward-domains.ts'
import { readRetentionCutoffForOperator } from '../store/facts/retention.ts'
import { listTokenKeysForOperator, type TokenKey } from '../store/account/token-keys.ts'
import { createBlockIndex, type BlockIndex } from './admin/block-index.ts'

/** One reading of the book. All members are plain look-ups. */
export type AccountSnapshot = {
  readonly accounts: readonly Account[]
  readonly settingsOf: (account: number) => AccountSettings
  readonly accountOf: AccountLookup
  readonly keyFor: TokenKeyLookup
  /** The index that new tokens are signed with. */
  readonly signingIndex: number
  readonly blocks: BlockIndex
  /** Domains that take mail for an account, with whose they are. */
  readonly forwardDomains: ReadonlyMap<string, number>
  /** Mails requested before this moment are retired, or about to be. */
  readonly retentionStart: number
}

export type AccountCache = {
  /** The present page; reads the store when the last one is older than a second. */
  readonly snapshot: () => Promise<AccountSnapshot>
  /** The next `open` reads again. */
  readonly invalidate: () => void
}

const MAX_AGE_MS = 1_000

/** Derives the key of an account's number under one key of the ring. */
export type DeriveTokenKey = (ring: TokenKey, account: number) => Uint8Array

/** Makes the book. */
export function createAccountCache(engine: Engine, derive: DeriveTokenKey, now: () => number): AccountCache {
  let snapshot: Promise<AccountSnapshot> | null = null
  let readAt = -Infinity
  return {
    snapshot: () => {
      if (snapshot === null || now() - readAt > MAX_AGE_MS) {
        readAt = now()
        const reading = readSnapshot(engine, derive)
        snapshot = reading
        reading.catch(() => {
          if (snapshot === reading) snapshot = null
        })
      }
      return snapshot
    },
    invalidate: () => {
      snapshot = null
    },
  }
}

async function readSnapshot(engine: Engine, derive: DeriveTokenKey): Promise<AccountSnapshot> {
  const { read } = engine
  const [accounts, keys, blocks, forwardDomains, retentionStart] = await Promise.all([
    listAccountsForOperator(read),
    listTokenKeysForOperator(read),
    listAccessBlocksForOperator(read),
    listForwardDomainsForOperator(read),
    readRetentionCutoffForOperator(read),
  ])
  const byNumber = new Map(accounts.map((account) => [account.account, account]))
  const ring = new Map(keys.filter((key) => key.account === 0 && key.retiredAt === null).map((key) => [key.index, key]))
  const derived = new Map<number, Uint8Array>()
  const signing = [...ring.keys()]
  return {
    accounts,
    settingsOf: (account) => byNumber.get(account)?.settings ?? DEFAULT_ACCOUNT_SETTINGS,
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
    blocks: createBlockIndex(blocks),
    forwardDomains: new Map(
      forwardDomains.filter(({ account }) => byNumber.get(account)?.closedAt === null).map(({ domain, account }) => [domain, account]),
    ),
    retentionStart,
  }
}
