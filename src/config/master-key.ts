/**
 * master-key - the forms of a master key
 *
 * Pure. See also: config/vault (encrypts with it), config/master-key-file (where it is stored).
 */
import { createHash } from 'node:crypto'

/**
 * Reads a master key from a setting. 64 hex digits and the base64 of 32 bytes are decoded. Any other text is hashed with SHA-256. Total.
 *
 *     parseMasterKey('00'.repeat(32)).length → 32
 */
export function parseMasterKey(text: string): Buffer {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64')
  return createHash('sha256').update(trimmed).digest()
}

/** An identifier of a master key that may be stored and logged: it distinguishes keys and reveals neither. */
export function fingerprintOf(masterKey: Uint8Array): string {
  return createHash('sha256').update('bounced master key').update(masterKey).digest('hex').slice(0, 16)
}
