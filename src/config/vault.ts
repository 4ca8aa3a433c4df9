/**
 * vault - the master key, and what is sealed under it
 *
 * Secrets that must be read again (APP KEYs, webhook keys) are AES-256-GCM under the master key. What a secret is for is part of the
 * seal, so that one sealed value cannot stand in for another. The master key is given as a setting, or made once in the data
 * folder, readable by its owner alone; it is never made anew beside a store that is already there.
 *
 * See also: correlate/token-keys (token keys derived from the same master), settings (masterKey).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../errors.ts'

export type Vault = {
  /** Seals bytes for one purpose; another nonce each time. */
  readonly encrypt: (plain: Uint8Array, purpose: string) => Buffer
  /** Opens what was sealed for that purpose. Faults: internal, when key, purpose or bytes are not those of the seal. */
  readonly decrypt: (encrypted: Uint8Array, purpose: string) => Buffer
}

/** A sealed value: this byte, 12 of nonce (NIST SP 800-38D §8.2), 16 of tag, the cipher text. */
const FORMAT_VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES

/** The seal under one master key of 32 bytes. */
export function createVault(masterKey: Uint8Array): Vault {
  return {
    encrypt: (plain, purpose) => {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', masterKey, nonce).setAAD(Buffer.from(purpose))
      const body = Buffer.concat([cipher.update(plain), cipher.final()])
      return Buffer.concat([Buffer.of(FORMAT_VERSION), nonce, cipher.getAuthTag(), body])
    },
    decrypt: (encrypted, purpose) => {
      const bytes = Buffer.from(encrypted)
      if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT_VERSION)
        throw new Fault('internal', 'a sealed secret is cut or of an unknown version')
      try {
        const decipher = createDecipheriv('aes-256-gcm', masterKey, bytes.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES })
        decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(1 + NONCE_BYTES, HEADER_BYTES))
        return Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES)), decipher.final()])
      } catch (cause) {
        throw new Fault('internal', 'a sealed secret does not open: the master key is another one', { cause, detail: { purpose } })
      }
    },
  }
}

/**
 * A master key out of a setting: 64 hex digits or the base64 of 32 bytes are taken as they stand, any other text by its SHA-256.
 *
 *     parseMasterKey('00'.repeat(32)).length → 32
 */
export function parseMasterKey(text: string): Buffer {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64')
  return createHash('sha256').update(trimmed).digest()
}

/** What may be stored and logged of a master key: it tells two keys apart and gives neither away. */
export function fingerprintOf(masterKey: Uint8Array): string {
  return createHash('sha256').update('bounced master key').update(masterKey).digest('hex').slice(0, 16)
}

/** `mayMake`: the store is empty, so that a new key locks nobody out. */
type MasterKeyOptions = {
  readonly configured: string | null
  readonly folder: string
  readonly isEmbedded: boolean
  readonly mayGenerate: boolean
}

/** The master key in force; `made` when it was made just now. Faults: config_invalid, when there is none and none may be made. */
export function loadMasterKey({ configured, folder, isEmbedded, mayGenerate }: MasterKeyOptions): {
  readonly key: Buffer
  readonly made: boolean
} {
  if (configured !== null) return { key: parseMasterKey(configured), made: false }
  if (!isEmbedded)
    throw new Fault('config_invalid', 'masterKey (BOUNCED_MASTER_KEY) is required with PostgreSQL: every node needs the same one')
  const file = join(folder, 'master.key')
  const stored = readKeyFile(file)
  if (stored !== null) return { key: parseMasterKey(stored), made: false }
  if (!mayGenerate)
    throw new Fault('config_invalid', `${file} is missing, and the store beside it was made with it: put it back, or set masterKey`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const text = randomBytes(32).toString('hex')
  writeKeyFile(file, text)
  return { key: parseMasterKey(text), made: true }
}

function readKeyFile(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw new Fault('config_invalid', `${file} cannot be read`, { cause })
  }
}

/** On the disk before anything is sealed under it; never over a key that another process has just made. */
function writeKeyFile(file: string, text: string): void {
  const handle = openSync(file, 'wx', 0o600)
  try {
    writeSync(handle, `${text}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
