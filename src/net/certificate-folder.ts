/**
 * certificate-folder - certificates for several host names, from a folder with a subfolder for each, as certbot keeps them
 *
 *     FOLDER/NAME/fullchain.pem      the certificate with its chain
 *     FOLDER/NAME/privkey.pem        its key
 *
 * The names in a certificate decide which requests it serves, not the name of its folder. Each pair of files is read by itself: one that is broken
 * keeps what it had before, and the others are renewed. Files may be replaced by renaming and by symbolic links.
 *
 * RFC 6066 §3 (SNI), RFC 9525 §6.3 (wildcards). See also: daemon/listeners/https-listener, net/certificate.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { Fault } from '../errors.ts'
import { fileFault } from '../file-fault.ts'
import { loadCertificate, type Certificate } from './certificate.ts'

/** A pair of files. The one of tls.cert and tls.key comes first, and has the name `tls.cert`. */
export type CertificateFiles = { readonly name: string; readonly cert: string; readonly key: string }

/** One pair of files, as it was read last. */
export type CertificateState = {
  readonly name: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
  /** Why its files cannot be read now, and since when; null: they can. */
  readonly problem: { readonly text: string; readonly since: number } | null
}

type ReadCertificate = CertificateState & { readonly hosts: readonly string[]; readonly pair: Certificate; readonly context: SecureContext }

/** Pairs of files that can be served, and those that cannot. */
export type CertificateTable = {
  readonly certificates: readonly ReadCertificate[]
  /** For clients that name no host. */
  readonly first: Certificate
  /** Pairs of files that never could be read. */
  readonly broken: readonly { readonly name: string; readonly problem: { readonly text: string; readonly since: number } }[]
  /** The certificate for a host name: one that names it, else one with a wildcard for it, else the first. */
  readonly find: (host: string) => SecureContext
}

const FILES = { cert: 'fullchain.pem', key: 'privkey.pem' } as const

/** Reads all pairs. `before` is the table in force. Faults: config_invalid (the folder cannot be read, or no pair at all can). */
export function loadCertificates(files: readonly CertificateFiles[], before: CertificateTable | null, now: number): CertificateTable {
  const read = files.map((pair) => readPair(pair, before, now))
  const certificates = read.flatMap((each) => ('context' in each ? [each] : []))
  const broken = read.flatMap((each) => ('context' in each ? [] : [each]))
  const [first] = certificates
  if (first === undefined) {
    const needed = `http.tlsPort needs a certificate: NAME/${FILES.cert} and NAME/${FILES.key} in http.tlsFolder, or tls.cert`
    throw new Fault('config_invalid', broken[0]?.problem.text ?? needed)
  }
  // Of two certificates for one name, the one that ends last.
  const byEnd = certificates.toReversed().toSorted((a, b) => a.expiresAt - b.expiresAt)
  const byHost = new Map(byEnd.flatMap(({ hosts, context }) => hosts.map((host) => [host, context])))
  const find = (host: string): SecureContext => {
    const name = host.toLowerCase().replace(/\.$/, '')
    return byHost.get(name) ?? byHost.get(name.replace(/^[^.]+/, '*')) ?? first.context
  }
  return { certificates, broken, first: first.pair, find }
}

function readPair(
  pair: CertificateFiles,
  before: CertificateTable | null,
  now: number,
): ReadCertificate | CertificateTable['broken'][number] {
  const { name } = pair
  try {
    const loaded = loadCertificate(pair)
    const { subjectAltName, validToDate } = new X509Certificate(loaded.cert)
    const context = createSecureContext({ ...loaded, minVersion: 'TLSv1.2' })
    return { name, hosts: hostsOf(subjectAltName), expiresAt: validToDate.getTime(), pair: loaded, context, problem: null }
  } catch (error) {
    const known = [...(before?.certificates ?? []), ...(before?.broken ?? [])].find((each) => each.name === name)
    const text = error instanceof Error ? error.message : String(error)
    const problem = { text, since: known?.problem?.since ?? now }
    return known !== undefined && 'context' in known ? { ...known, problem } : { name, problem }
  }
}

/** A text that changes when one of the files does, in whatever way it is replaced. Total: a file that is missing has a text too. */
export const certificateStampOf = (files: readonly CertificateFiles[]): string =>
  files
    .flatMap(({ cert, key }) => [cert, key])
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false })
      return `${file} ${stats?.ino} ${stats?.ctimeMs} ${stats?.mtimeMs} ${stats?.size}`
    })
    .join('\n')

/** The pairs of files in a folder, by the names of its subfolders. Hidden ones (the old versions of a mounted secret) and those
 * without files (certbot's README) are left out. Faults: config_invalid. */
export function listCertificateFiles(folder: string): readonly CertificateFiles[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .toSorted()
      .map((name) => ({ name, cert: join(folder, name, FILES.cert), key: join(folder, name, FILES.key) }))
      .filter(({ cert, key }) => existsSync(cert) || existsSync(key))
  } catch (cause) {
    throw fileFault({ what: 'http.tlsFolder', path: folder, remedy: 'name another one with BOUNCED_HTTP_TLS_FOLDER' }, cause)
  }
}

/** The DNS names of a certificate, in lower case. */
const hostsOf = (subjectAltName: string | undefined): readonly string[] =>
  [...(subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,]+)/g)].map((match) => (match[1] ?? '').toLowerCase())
