/**
 * dkim-sign - generates DKIM keys, writes their DNS records, and signs mail
 *
 * Every verifier supports RSA with 2,048 bits (RFC 8301 §3.2); Ed25519 has short keys, but few verifiers support it. A domain with both keys signs twice. A private
 * key is PKCS #8 in DER, and the store holds it encrypted.
 *
 * RFC 6376 §3.6.1, RFC 8463. See also: compose/dkim-canonical, store/account/dkim-keys, config/vault.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { buildUnsignedSignature, hashMail, formatDkimSignature, type DkimAlgorithm, type HashedMail } from '../compose/dkim-canonical.ts'

/** `publicKey` is the base64 value of p= in the record. */
type DkimKeyPair = { readonly publicKey: string; readonly privateKey: Buffer }

export type DkimSigner = { readonly domain: string; readonly selector: string; readonly algorithm: DkimAlgorithm; readonly key: KeyObject }

const RSA_BITS = 2_048
/** An Ed25519 key in SPKI has a prefix of 12 octets before the 32 of the key; p= holds the key only (RFC 8463 §4). */
const ED25519_SPKI_PREFIX_BYTES = 12

const generateKeyPairAsync = promisify(generateKeyPair)
const signAsync = promisify(sign)

/** Generates a key pair in the thread pool. */
export async function generateDkimKeyPair(algorithm: DkimAlgorithm): Promise<DkimKeyPair> {
  const { privateKey } =
    algorithm === 'rsa' ? await generateKeyPairAsync('rsa', { modulusLength: RSA_BITS }) : await generateKeyPairAsync('ed25519')
  return { publicKey: publicKeyOf(privateKey), privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }) }
}

function publicKeyOf(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return (key.asymmetricKeyType === 'ed25519' ? der.subarray(ED25519_SPKI_PREFIX_BYTES) : der).toString('base64')
}

/** Imports a private key in PKCS #8 DER. Throws on other bytes. */
export const importDkimKey = (der: Uint8Array): KeyObject => createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })

/** The name and the text of the TXT record. */
export function dkimRecord(key: {
  readonly domain: string
  readonly selector: string
  readonly algorithm: DkimAlgorithm
  readonly publicKey: string
}): {
  readonly name: string
  readonly text: string
} {
  return { name: `${key.selector}._domainkey.${key.domain}`, text: `v=DKIM1; k=${key.algorithm}; p=${key.publicKey}` }
}

/** Prepends a signature of each signer. A mail without From is not signed. */
export async function signMail(raw: Buffer, signers: readonly DkimSigner[], now: number): Promise<Buffer> {
  const fields = signers.length === 0 ? '' : await signatureFields(hashMail(raw), signers, now)
  return fields === '' ? raw : Buffer.concat([Buffer.from(fields, 'latin1'), raw])
}

/** The DKIM-Signature fields of a mail, each with its line end. */
export async function signatureFields(mail: HashedMail, signers: readonly DkimSigner[], now: number): Promise<string> {
  const atSeconds = Math.floor(now / 1_000)
  const fields = signers.map(async ({ key, ...parameters }) => {
    const draft = buildUnsignedSignature(mail, { ...parameters, atSeconds })
    return draft === null ? '' : formatDkimSignature(draft, await computeSignature(draft.signedData, key))
  })
  return (await Promise.all(fields)).join('')
}

/** Signs in the thread pool: a signature with RSA takes as long as all else that the main thread does for a mail. Ed25519 signs the digest (RFC 8463 §3). */
const computeSignature = (data: Buffer, key: KeyObject): Promise<Buffer> =>
  key.asymmetricKeyType === 'ed25519' ? signAsync(null, createHash('sha256').update(data).digest(), key) : signAsync('sha256', data, key)
