/**
 * dkim-signer - signs a mail with any h=, relaxed/relaxed, under a key whose record a test publishes in its own DNS
 *
 * Libraries sign what should be signed. A test needs what real loops sign: few fields, a name twice, or a mail that was changed later.
 */
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { DnsLookup } from '../../src/net/dns.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

/** A DNS in which every one of these domains has published the key of the test under the selector `t`. */
export function publishKey(domains: readonly string[]): DnsLookup {
  const record = [[`v=DKIM1; k=rsa; p=${publicKey.toString('base64')}`]]
  return (name, type) =>
    type === 'TXT' && domains.some((domain) => name === `t._domainkey.${domain}`)
      ? Promise.resolve(record)
      : Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))
}

/** Puts a signature of the domain in front of a mail with CRLF line ends. `signedFields`: h=, as it is written. */
export function signWith(raw: string, domain: string, signedFields: string): string {
  const end = raw.indexOf('\r\n\r\n')
  const fields = raw.slice(0, end).split(/\r\n(?![ \t])/)
  const body = raw
    .slice(end + 4)
    .replaceAll(/[ \t]+(?=\r\n)/g, '')
    .replaceAll(/[ \t]+/g, ' ')
    .replace(/(?:\r\n)*$/, '\r\n')
  const hash = createHash('sha256').update(body, 'latin1').digest('base64')
  const draft = `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain}; s=t; h=${signedFields}; bh=${hash}; b=`
  const remaining = [...fields]
  const covered = signedFields.split(':').flatMap((name) => {
    const at = remaining.findLastIndex((field) => field.toLowerCase().startsWith(`${name.trim().toLowerCase()}:`))
    return at < 0 ? [] : remaining.splice(at, 1)
  })
  const data = [...covered.map((field) => `${relax(field)}\r\n`), relax(draft)].join('')
  return `${draft}${sign('sha256', Buffer.from(data, 'latin1'), privateKey).toString('base64')}\r\n${raw}`
}

function relax(field: string): string {
  const colon = field.indexOf(':')
  const value = field
    .slice(colon + 1)
    .replaceAll('\r\n', '')
    .replaceAll(/[ \t]+/g, ' ')
    .trim()
  return `${field.slice(0, colon).trim().toLowerCase()}:${value}`
}
