/**
 * vault - encrypts secrets under the master key
 *
 * Secrets that must be read again (app keys, webhook keys) are encrypted with AES-256-GCM. The purpose of a secret is authenticated with
 * it, so that one encrypted value cannot stand in for another.
 *
 * See also: config/master-key, config/master-key-file, correlate/token-keys (token keys are derived from the same master key).
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Fault } from '../errors.ts'

export type Vault = {
  /** Encrypts bytes for one purpose, with a new nonce each time. */
  readonly encrypt: (plain: Uint8Array, purpose: string) => Buffer
  /** Decrypts what was encrypted for that purpose. Throws Fault internal if the key, the purpose or the bytes differ. */
  readonly decrypt: (encrypted: Uint8Array, purpose: string) => Buffer
}

/** An encrypted value: this byte, a 12-byte nonce (NIST SP 800-38D §8.2), a 16-byte tag, the ciphertext. */
const FORMAT_VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES

/** A vault under one master key of 32 bytes. */
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
        throw new Fault('internal', 'an encrypted secret is truncated or has an unknown version')
      try {
        const decipher = createDecipheriv('aes-256-gcm', masterKey, bytes.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES })
        decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(1 + NONCE_BYTES, HEADER_BYTES))
        return Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES)), decipher.final()])
      } catch (cause) {
        const text = 'a secret cannot be decrypted: it was encrypted under another master key'
        throw new Fault('internal', text, { cause, detail: { purpose } })
      }
    },
  }
}
