/**
 * account-cache - accounts, token keys, blocks, forward and tracking domains in memory
 *
 * Reads the store at most once a second, and after `invalidate`. A node therefore sees changes of another node within a second. An offline
 * number, under which a sender mints tokens itself, maps to the account that owns it.
 *
 * See also: store/account/accounts, store/account/token-keys, correlate/token-keys, service/admin/block-index.
 */
import { type TokenKeyLookup, MAX_KEY_INDEX } from '../correlate/token-keys.ts'
import type { AccountLookup } from '../correlate/match.ts'
import { parseVerpAddress, type VerpAddress } from '../correlate/verp.ts'
import { DEFAULT_ACCOUNT_SETTINGS, type AccountSettings } from '../ledger/account-settings.ts'
import { listAccountsForOperator, type Account } from '../store/account/accounts.ts'
import { listAccessBlocksForOperator } from '../store/lists/blocks.ts'
import { listTrackingDomainsForOperator, type TrackingDomain } from '../store/account/tracking-domains.ts'
import type { Engine } from '../store/engine/engine.ts'
import { isDomainInUse } from '../tracking/domain-state.ts'
import { listFollowedHostsForOperator } from '../store/mail/followed-logs.ts'
import { listForwardDomainsForOperator } from '../store/mail/forward-domains.ts'
import { readRetentionCutoffForOperator } from '../store/facts/retention.ts'
import { listTokenKeysForOperator, type TokenKey } from '../store/account/token-keys.ts'
import { createBlockIndex, type BlockIndex } from './admin/block-index.ts'

/** A consistent view of all accounts. All members are lookups in memory. */
export type AccountSnapshot = {
  readonly accounts: readonly Account[]
  readonly settingsOf: (account: number) => AccountSettings
  readonly accountOf: AccountLookup
  readonly keyFor: TokenKeyLookup
  /** The index of the key that signs new tokens. */
  readonly signingIndex: number
  /** The VERP addresses of all open accounts. */
  readonly verpAddresses: readonly VerpAddress[]
  readonly blocks: BlockIndex
  /** Domains whose mail is forwarded to an account, with the number of the account. */
  readonly forwardDomains: ReadonlyMap<string, number>
  /** Tracking domains that links may name, with the number of the account. */
  readonly trackingDomains: ReadonlyMap<string, number>
  /** The hosts of MTAs whose logs are followed. */
  readonly followedHosts: readonly string[]
  /** Deliveries requested before this moment (epoch ms) are removed, or will be soon. */
  readonly retentionStart: number
}

export type AccountCache = {
  /** Returns the current snapshot; reads the store if the last one is older than a second. Faults: store_busy. */
  readonly snapshot: () => Promise<AccountSnapshot>
  /** Makes the next call of `snapshot` read the store. Call it after every change to accounts, blocks or keys. */
  readonly invalidate: () => void
}

/** How long a node may miss changes that another node made. */
const MAX_AGE_MS = 1_000

/** Derives the key of an account number from one key of the ring. */
type DeriveTokenKey = (ring: TokenKey, account: number) => Uint8Array

/**
 * Creates the cache. It reads nothing until the first call of `snapshot`. `ownHosts`: hosts of MTAs whose logs this node follows, known before their
 * first line was read.
 */
export function createAccountCache(
  engine: Engine,
  derive: DeriveTokenKey,
  elapsed: () => number,
  ownHosts: readonly string[] = [],
): AccountCache {
  let snapshot: Promise<AccountSnapshot> | null = null
  let readAt = -Infinity
  return {
    snapshot: () => {
      if (snapshot === null || elapsed() - readAt > MAX_AGE_MS) {
        readAt = elapsed()
        const reading = readSnapshot(engine, derive, ownHosts)
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

async function readSnapshot(engine: Engine, derive: DeriveTokenKey, ownHosts: readonly string[]): Promise<AccountSnapshot> {
  const { read } = engine
  const [accounts, keys, blocks, forwardDomains, trackingDomains, followedHosts, retentionStart] = await Promise.all([
    listAccountsForOperator(read),
    listTokenKeysForOperator(read),
    listAccessBlocksForOperator(read),
    listForwardDomainsForOperator(read),
    listTrackingDomainsForOperator(read),
    listFollowedHostsForOperator(read),
    readRetentionCutoffForOperator(read),
  ])
  const byNumber = new Map(accounts.map((account) => [account.account, account]))
  const ring = new Map(keys.filter((key) => key.account === 0 && key.retiredAt === null).map((key) => [key.index, key]))
  const derived = new Map<number, Uint8Array>()
  const isOpen = (account: number): boolean => byNumber.get(account)?.closedAt === null
  return {
    accounts,
    settingsOf: (account) => byNumber.get(account)?.settings ?? DEFAULT_ACCOUNT_SETTINGS,
    accountOf: (number) => {
      const account = byNumber.get(number)
      if (account === undefined || account.closedAt !== null) return null
      return { account: account.offlineFor ?? number, offline: account.offlineFor !== null }
    },
    keyFor: (account, index) => {
      const key = ring.get(index)
      if (key === undefined || !byNumber.has(account)) return null
      const cacheKey = account * (MAX_KEY_INDEX + 1) + index
      const accountKey = derived.get(cacheKey) ?? derive(key, account)
      derived.set(cacheKey, accountKey)
      return accountKey
    },
    signingIndex: Math.max(0, ...ring.keys()),
    verpAddresses: accounts.filter(({ closedAt }) => closedAt === null).flatMap(verpAddressesOf),
    blocks: createBlockIndex(blocks),
    forwardDomains: new Map(forwardDomains.flatMap(({ domain, account }) => (isOpen(account) ? [[domain, account]] : []))),
    trackingDomains: usedDomainsOf(trackingDomains),
    followedHosts: [...ownHosts, ...followedHosts],
    retentionStart,
  }
}

const verpAddressesOf = ({ account, settings }: Account): readonly VerpAddress[] =>
  settings.verpAddresses.flatMap((address) => parseVerpAddress(account, address) ?? [])

const usedDomainsOf = (rows: readonly TrackingDomain[]): ReadonlyMap<string, number> =>
  new Map(rows.flatMap((row) => (isDomainInUse(row, row.checkedAt) ? [[row.domain, row.account]] : [])))
