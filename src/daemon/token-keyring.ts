/**
 * token-keyring - the ring of token keys, and the master key that it hangs on
 *
 * Token keys are derived from the master by account and index, so that a store that was lost takes no token with it. The ring in the store
 * says which indices there are: the highest signs, every one reads until it is retired. The seal of a row proves under which master it was made.
 *
 * See also: correlate/token-keys (the derivation), service/account-cache (who reads the ring), config/vault.
 */
import { MAX_KEY_INDEX } from '../correlate/token-keys.ts'
import { fingerprintOf } from '../config/master-key.ts'
import { createVault } from '../config/vault.ts'
import { Fault } from '../errors.ts'
import type { Database, Engine } from '../store/engine/engine.ts'
import { initializeMetadataForOperator } from '../store/engine/metadata.ts'
import { addTokenKey, retireTokenKey, listTokenKeys } from '../store/account/token-keys.ts'

/** The ring from which all accounts' keys are derived lies under nobody's number. */
const RING_ACCOUNT = 0

/** Refuses a master key that is not the one this store was made with; makes the first key of an empty ring. Faults: config_invalid. */
export async function verifyMasterKey(engine: Engine, masterKey: Uint8Array, now: number): Promise<void> {
  const fingerprint = fingerprintOf(masterKey)
  const storedFingerprint = await engine.tx(
    async (db) => {
      const storedFirst = await initializeMetadataForOperator(db, 'master-key', fingerprint)
      if (storedFirst === fingerprint && (await listTokenKeys(db, RING_ACCOUNT)).length === 0) await addKeyringKey(db, masterKey, 0, now)
      return storedFirst
    },
    { lockName: 'master-key', visibility: 'latest' },
  )
  if (storedFingerprint === fingerprint) return
  throw new Fault(
    'config_invalid',
    'this store was made under another master key: set the right one (masterKey, or master.key in the data folder)',
  )
}

/** A new key signs from now on; the old ones go on reading. Returns its index. Faults: conflict, when the indices are used up. */
export async function rotateKeyring(engine: Engine, masterKey: Uint8Array, now: number): Promise<number> {
  return engine.tx(
    async (db) => {
      const ring = await listTokenKeys(db, RING_ACCOUNT)
      const next = Math.max(-1, ...ring.map(({ index }) => index)) + 1
      if (next > MAX_KEY_INDEX) throw new Fault('conflict', `a ring has ${MAX_KEY_INDEX + 1} keys, and all are used`)
      await addKeyringKey(db, masterKey, next, now)
      return next
    },
    { lockName: 'master-key', visibility: 'latest' },
  )
}

/**
 * An old key reads no more: tokens that it signed are `invalid` from now on. False where it was retired before. Faults: not_found,
 * conflict (it signs: rotate first).
 */
export async function retireKeyringKey(engine: Engine, index: number, now: number): Promise<boolean> {
  return engine.tx(
    async (db) => {
      const ring = await listTokenKeys(db, RING_ACCOUNT)
      if (!ring.some((key) => key.index === index)) throw new Fault('not_found', `there is no key ${index}`)
      if (index === Math.max(...ring.map((key) => key.index))) throw new Fault('conflict', `key ${index} signs: rotate first`)
      return retireTokenKey(db, RING_ACCOUNT, { index, at: now })
    },
    { lockName: 'master-key', visibility: 'latest' },
  )
}

async function addKeyringKey(db: Database, masterKey: Uint8Array, index: number, now: number): Promise<void> {
  const sealed = createVault(masterKey).encrypt(Buffer.from(fingerprintOf(masterKey)), `token-key:${index}`)
  await addTokenKey(db, { account: RING_ACCOUNT, index, sealed, createdAt: now, retiredAt: null })
}
