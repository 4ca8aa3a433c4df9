/**
 * certificate-folder - certificates for several host names, from a folder with a subfolder for each, as certbot keeps them
 *
 *     FOLDER/NAME/fullchain.pem      the certificate with its chain
 *     FOLDER/NAME/privkey.pem        its key
 *
 * The names in a certificate decide which requests it serves, not the name of its folder. The folder is read whole or not at all.
 *
 * RFC 6066 §3 (SNI), RFC 9525 §6.3 (wildcards). See also: daemon/listeners/https-listener, net/certificate.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { Fault } from '../errors.ts'
import { loadCertificate, type Certificate } from './certificate.ts'

type CertificateTable = {
  /** The certificate for a host name: one that names it, else one with a wildcard for it, else the first. */
  readonly find: (host: string) => SecureContext
}

const FILES = { cert: 'fullchain.pem', key: 'privkey.pem' } as const

/** Reads all certificates. `fallback` comes first. Faults: config_invalid (a file that cannot be read or does not fit, or no certificate at all). */
export function loadCertificates(folder: string | null, fallback: Certificate | null): CertificateTable {
  const certificates = [...(fallback === null ? [] : [fallback]), ...filesIn(folder).map(loadCertificate)]
  const contexts = certificates.map(({ cert, key }) => ({
    names: namesOf(cert),
    context: createSecureContext({ cert, key, minVersion: 'TLSv1.2' }),
  }))
  const [first] = contexts
  if (first === undefined)
    throw new Fault(
      'config_invalid',
      `http.tlsPort needs a certificate: NAME/${FILES.cert} and NAME/${FILES.key} in http.tlsFolder, or tls.cert`,
    )
  const byName = new Map(contexts.toReversed().flatMap(({ names, context }) => names.map((name) => [name, context])))
  return {
    find: (host) => {
      const name = host.toLowerCase().replace(/\.$/, '')
      return byName.get(name) ?? byName.get(name.replace(/^[^.]+/, '*')) ?? first.context
    },
  }
}

/** A text that changes when a file of the folder does. Total: a folder that cannot be read gives ''. */
export function certificateStampOf(folder: string): string {
  try {
    return filesIn(folder)
      .flatMap(({ cert, key }) => [cert, key])
      .map((file) => `${file} ${statSync(file).mtimeMs} ${statSync(file).size}`)
      .join('\n')
  } catch {
    return ''
  }
}

/** The pairs of files, by folder name. A subfolder without them, such as certbot's README, is left out. */
function filesIn(folder: string | null): readonly { readonly cert: string; readonly key: string }[] {
  if (folder === null) return []
  try {
    return readdirSync(folder)
      .toSorted()
      .map((name) => ({ cert: join(folder, name, FILES.cert), key: join(folder, name, FILES.key) }))
      .filter(({ cert }) => existsSync(cert))
  } catch (cause) {
    throw new Fault('config_invalid', `http.tlsFolder ${folder} cannot be read`, { cause })
  }
}

/** The DNS names that a certificate is for, in lower case. */
function namesOf(pem: string): readonly string[] {
  const text = new X509Certificate(pem).subjectAltName ?? ''
  return [...text.matchAll(/(?:^|, )DNS:([^,]+)/g)].map((match) => (match[1] ?? '').toLowerCase())
}
