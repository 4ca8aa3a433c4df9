/**
 * certificate - the certificate for STARTTLS: the operator's, or a self-signed one
 *
 * Mail servers accept any certificate (opportunistic TLS, RFC 7435), so a self-signed one protects reports from eavesdropping until the operator has a certificate
 * from a CA. Each start generates a new one, which is valid for ten years.
 *
 * RFC 5280 (X.509), RFC 5758 (ECDSA with SHA-256), X.690 (DER).
 */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Fault } from '../errors.ts'
import { withFile } from '../file-fault.ts'

/** Both in PEM. */
export type Certificate = { readonly cert: string; readonly key: string }

/** Reads the operator's files. Faults: config_invalid (a file is missing or not PEM, or the key belongs to another certificate), store_busy. */
export function loadCertificate(files: { readonly cert: string; readonly key: string }): Certificate {
  const cert = readPem(files.cert, 'the certificate')
  const key = readPem(files.key, 'the private key')
  const certificate = parsePem(files.cert, 'a certificate (the chain, as fullchain.pem)', () => new X509Certificate(cert))
  const privateKey = parsePem(files.key, 'a private key without a password (as privkey.pem)', () => createPrivateKey(key))
  if (certificate.checkPrivateKey(privateKey)) return { cert, key }
  throw new Fault(
    'config_invalid',
    `${files.key} is not the key of ${files.cert}: renew both together (tls.cert and tls.key, or a pair in http.tlsFolder)`,
  )
}

const readPem = (path: string, what: string): string =>
  withFile({ what, path, remedy: 'name another one with tls.cert and tls.key, or in http.tlsFolder' }, () => readFileSync(path, 'utf8'))

function parsePem<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new Fault('config_invalid', `${path} is not ${what} in PEM format (${cause instanceof Error ? cause.message : ''})`, { cause })
  }
}

const OIDS = {
  ecdsaWithSha256: '06082a8648ce3d040302',
  commonName: '0603550403',
  subjectAltName: '0603551d11',
} as const

const VALID_YEARS = 10
const DAY_MS = 86_400_000

/** Generates a key and a self-signed certificate for one host, valid from yesterday, because clocks differ. */
export function createSelfSignedCertificate(host: string, now: number): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = der(0x30, oid('ecdsaWithSha256'))
  const name = der(0x30, der(0x31, der(0x30, oid('commonName'), der(0x0c, Buffer.from(host.slice(0, 64))))))
  const validity = der(0x30, generalizedTime(now - DAY_MS), generalizedTime(now + VALID_YEARS * 365 * DAY_MS))
  const hostName = der(0x82, Buffer.from(host, 'latin1'))
  const extensions = der(0x30, der(0x30, oid('subjectAltName'), der(0x04, der(0x30, hostName))))
  // A serial number is positive, so its first bit is 0.
  const serial = der(0x02, Buffer.concat([Buffer.of(0x01), randomBytes(15)]))
  const version = der(0xa0, der(0x02, Buffer.of(2)))
  const publicInfo = publicKey.export({ type: 'spki', format: 'der' })
  const tbsCertificate = der(0x30, version, serial, algorithm, name, validity, name, publicInfo, der(0xa3, extensions))
  const signature = der(0x03, Buffer.of(0), sign('sha256', tbsCertificate, privateKey))
  const encoded = der(0x30, tbsCertificate, algorithm, signature).toString('base64')
  const cert = `-----BEGIN CERTIFICATE-----\n${encoded.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END CERTIFICATE-----\n`
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/** Encodes tag, length and content (X.690 §8.1). */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const head = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

function oid(name: keyof typeof OIDS): Buffer {
  return Buffer.from(OIDS[name], 'hex')
}

/** GeneralizedTime in whole seconds. */
function generalizedTime(at: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, '')}`))
}
