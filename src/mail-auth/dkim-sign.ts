/**
 * dkim-sign - keys that mail is signed with: made, written as a DNS record, used
 *
 * RSA of 2,048 bits, which every verifier knows (RFC 8301 §3.2), and Ed25519, which is short and which few know yet: a domain that has both
 * signs twice. A private key is PKCS #8 in DER and lies sealed.
 *
 * RFC 6376 §3.6.1, RFC 8463. See also: compose/dkim-canonical, store/account/dkim-keys, config/vault.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { buildUnsignedSignature, hashMail, formatDkimSignature, type DkimAlgorithm, type HashedMail } from '../compose/dkim-canonical.ts'

/** `publicKey` is the base64 of p= in the record. */
type DkimKeyPair = { readonly publicKey: string; readonly privateKey: Buffer }

export type DkimSigner = { readonly domain: string; readonly selector: string; readonly algorithm: DkimAlgorithm; readonly key: KeyObject }

const RSA_BITS = 2_048
/** An Ed25519 key in SPKI is 12 octets of wrapping and 32 of key; p= has the key alone (RFC 8463 §4). */
const ED25519_SPKI_PREFIX_BYTES = 12

const generateKeyPairAsync = promisify(generateKeyPair)

/** A new pair, made beside this thread. */
export async function generateDkimKeyPair(algorithm: DkimAlgorithm): Promise<DkimKeyPair> {
  const { privateKey } =
    algorithm === 'rsa' ? await generateKeyPairAsync('rsa', { modulusLength: RSA_BITS }) : await generateKeyPairAsync('ed25519')
  return { publicKey: publicKeyOf(privateKey), privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }) }
}

function publicKeyOf(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return (key.asymmetricKeyType === 'ed25519' ? der.subarray(ED25519_SPKI_PREFIX_BYTES) : der).toString('base64')
}

export const importDkimKey = (der: Uint8Array): KeyObject => createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })

/** The TXT record's name and text. */
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

/** The mail with a signature of each signer in front. What has no From is not signed. */
export function signMail(raw: Buffer, signers: readonly DkimSigner[], now: number): Buffer {
  const fields = signers.length === 0 ? '' : signatureFields(hashMail(raw), signers, now)
  return fields === '' ? raw : Buffer.concat([Buffer.from(fields, 'latin1'), raw])
}

/** The fields that go in front of a mail, each with its line end. */
export function signatureFields(mail: HashedMail, signers: readonly DkimSigner[], now: number): string {
  const atSeconds = Math.floor(now / 1_000)
  const fields = signers.map(({ key, ...parameters }) => {
    const draft = buildUnsignedSignature(mail, { ...parameters, atSeconds })
    return draft === null ? '' : formatDkimSignature(draft, computeSignature(draft.signedData, key))
  })
  return fields.join('')
}

/** Ed25519 signs the digest (RFC 8463 §3). */
function computeSignature(data: Buffer, key: KeyObject): Buffer {
  return key.asymmetricKeyType === 'ed25519' ? sign(null, createHash('sha256').update(data).digest(), key) : sign('sha256', data, key)
}
