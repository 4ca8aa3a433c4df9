/**
 * token-keyring - the keyring of token keys, and the check of the master key from which they are derived
 *
 * Token keys are derived from the master key by account and index, so a lost store makes no token invalid. The keyring in the store lists the indices: the
 * highest one signs, and each one verifies until it is retired. A row is encrypted, which proves the master key under which it was made.
 *
 * See also: correlate/token-keys (the derivation), service/account-cache (reads the ring), config/vault.
 */
import { MAX_KEY_INDEX } from '../correlate/token-keys.ts'
import { fingerprintOf } from '../config/master-key.ts'
import { createVault } from '../config/vault.ts'
import { Fault } from '../errors.ts'
import type { Database, Engine } from '../store/engine/engine.ts'
import { initializeMetadataForOperator } from '../store/engine/metadata.ts'
import { addTokenKey, retireTokenKey, listTokenKeys } from '../store/account/token-keys.ts'

/** All accounts share one ring, which belongs to no account. */
const RING_ACCOUNT = 0

/** Checks that the store was made with this master key, and makes the first key of an empty ring. Faults: config_invalid. */
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
    'this store was created with another master key: set that key (masterKey, or master.key in the data folder)',
  )
}

/** Adds a key that signs from now on; the old ones still verify. Returns its index. Faults: conflict (no index is left). */
export async function rotateKeyring(engine: Engine, masterKey: Uint8Array, now: number): Promise<number> {
  return engine.tx(
    async (db) => {
      const ring = await listTokenKeys(db, RING_ACCOUNT)
      const next = Math.max(-1, ...ring.map(({ index }) => index)) + 1
      if (next > MAX_KEY_INDEX)
        throw new Fault('conflict', `at most ${MAX_KEY_INDEX + 1} token keys can be created, and all of their indexes are used`)
      await addKeyringKey(db, masterKey, next, now)
      return next
    },
    { lockName: 'master-key', visibility: 'latest' },
  )
}

/** Retires an old key: its tokens are `invalid` from now on. False if it was already retired. Faults: not_found, conflict (it signs: rotate first). */
export async function retireKeyringKey(engine: Engine, index: number, now: number): Promise<boolean> {
  return engine.tx(
    async (db) => {
      const ring = await listTokenKeys(db, RING_ACCOUNT)
      if (!ring.some((key) => key.index === index)) throw new Fault('not_found', `there is no token key ${index}`)
      if (index === Math.max(...ring.map((key) => key.index))) throw new Fault('conflict', `key ${index} is the signing key: rotate first`)
      return retireTokenKey(db, RING_ACCOUNT, { index, at: now })
    },
    { lockName: 'master-key', visibility: 'latest' },
  )
}

async function addKeyringKey(db: Database, masterKey: Uint8Array, index: number, now: number): Promise<void> {
  const sealed = createVault(masterKey).encrypt(Buffer.from(fingerprintOf(masterKey)), `token-key:${index}`)
  await addTokenKey(db, { account: RING_ACCOUNT, index, sealed, createdAt: now, retiredAt: null })
}
