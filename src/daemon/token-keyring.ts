/**
 * token-keyring - the ring of token keys, and the master key that it hangs on
 *
 * Token keys are derived from the master by account and index, so that a store that was lost takes no token with it. The ring in the store
 * says which indices there are: the highest signs, every one reads until it is retired. The seal of a row proves under which master it was made.
 *
 * See also: correlate/token-keys (the derivation), service/account-cache (who reads the ring), config/vault.
 */
import { MAX_KEY_INDEX } from '../correlate/token-keys.ts'
import { createVault, fingerprintOf } from '../config/vault.ts'
import { Fault } from '../errors.ts'
import type { Db, Engine } from '../store/engine/engine.ts'
import { claimMetaForOperator } from '../store/engine/metadata.ts'
import { addTokenKey, retireTokenKey, tokenKeys } from '../store/account/token-keys.ts'

/** The ring from which all accounts' keys are derived lies under nobody's number. */
const RING = 0

/** Refuses a master key that is not the one this store was made with; makes the first key of an empty ring. Faults: config_invalid. */
export async function holdMaster(engine: Engine, master: Uint8Array, now: number): Promise<void> {
  const ours = fingerprintOf(master)
  const known = await engine.tx(
    async (db) => {
      const claimed = await claimMetaForOperator(db, 'master-key', ours)
      if (claimed === ours && (await tokenKeys(db, RING)).length === 0) await addKey(db, master, 0, now)
      return claimed
    },
    { lock: 'master-key', sees: 'latest' },
  )
  if (known === ours) return
  throw new Fault(
    'config_invalid',
    'this store was made under another master key: set the right one (masterKey, or master.key in the data folder)',
  )
}

/** A new key signs from now on; the old ones go on reading. Returns its index. Faults: conflict, when the indices are used up. */
export async function rotateRing(engine: Engine, master: Uint8Array, now: number): Promise<number> {
  return engine.tx(
    async (db) => {
      const ring = await tokenKeys(db, RING)
      const next = Math.max(-1, ...ring.map(({ index }) => index)) + 1
      if (next > MAX_KEY_INDEX) throw new Fault('conflict', `a ring has ${MAX_KEY_INDEX + 1} keys, and all are used`)
      await addKey(db, master, next, now)
      return next
    },
    { lock: 'master-key', sees: 'latest' },
  )
}

/**
 * An old key reads no more: tokens that it signed are `invalid` from now on. False where it was retired before. Faults: not_found,
 * conflict (it signs: rotate first).
 */
export async function retireRingKey(engine: Engine, index: number, now: number): Promise<boolean> {
  return engine.tx(
    async (db) => {
      const ring = await tokenKeys(db, RING)
      if (!ring.some((key) => key.index === index)) throw new Fault('not_found', `there is no key ${index}`)
      if (index === Math.max(...ring.map((key) => key.index))) throw new Fault('conflict', `key ${index} signs: rotate first`)
      return retireTokenKey(db, RING, { index, at: now })
    },
    { lock: 'master-key', sees: 'latest' },
  )
}

async function addKey(db: Db, master: Uint8Array, index: number, now: number): Promise<void> {
  const sealed = createVault(master).seal(Buffer.from(fingerprintOf(master)), `token-key:${index}`)
  await addTokenKey(db, { account: RING, index, sealed, createdAt: now, retiredAt: null })
}
