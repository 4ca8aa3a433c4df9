/**
 * verify-signatures.test - what DKIM, SPF and ARC prove, with a DNS zone of the test
 */
import { generateKeyPairSync } from 'node:crypto'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { sealMessage } from 'mailauth/lib/arc/index.js'
import { afterAll, expect, test } from 'vitest'
import { createSignatureVerifier } from '../../src/mail-auth/signature-verifier.ts'
import type { DnsLookup } from '../../src/net/dns.ts'

const NOW = Date.UTC(2026, 10, 20, 12)
const pair = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const KEY = [[`v=DKIM1; k=rsa; p=${pair.publicKey.toString('base64')}`]]
const ZONE: Readonly<Record<string, string[][]>> = {
  'TXT s._domainkey.loops.example': KEY,
  'TXT s._domainkey.evil.example': KEY,
  'TXT loops.example': [['v=spf1 ip4:192.0.2.0/24 -all']],
  'TXT mx.loops.example': [['v=spf1 ip4:192.0.2.9 -all']],
}
const lookUp: DnsLookup = (name, type) => {
  const found = ZONE[`${type} ${name}`]
  return found === undefined ? Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' })) : Promise.resolve(found)
}
const RAW = 'From: feedback@loops.example\r\nSubject: complaint\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n'

async function sign(domain: string, raw = RAW, options: object = {}): Promise<string> {
  const key = { signingDomain: domain, selector: 's', privateKey: pair.privateKey }
  const { signatures } = await dkimSign(raw, { ...key, signTime: new Date(NOW), signatureData: [{ ...key, ...options }] })
  return `${signatures}${raw}`
}
/** Longer than any test: a busy machine must not end a look-up. */
const verifier = createSignatureVerifier(lookUp, { timeLimitMs: 60_000 })
afterAll(verifier.close)
const verify = (raw: string, over: object = {}) =>
  verifier.verify({ raw: Buffer.from(raw), peer: '192.0.2.9', helo: 'mx.loops.example', from: '', ...over }, NOW)

test('dkim: proof is one aligned signature over the whole body, with exactly one From', async () => {
  const rows: readonly (readonly [what: string, raw: string, proven: boolean])[] = [
    ['aligned', await sign('loops.example'), true],
    ['another domain', await sign('evil.example'), false],
    ['body changed after signing', (await sign('loops.example')).replace('hello', 'hullo'), false],
    ['a second From', `From: a@evil.example\r\n${await sign('loops.example')}`, false],
    ['only the first bytes are signed', `${await sign('loops.example', RAW, { maxBodyLength: 2 })}added by a stranger\r\n`, false],
    ['no signature', RAW, false],
  ]
  for (const [what, raw, proven] of rows) {
    const { dkim } = await verify(raw)
    expect({ what, proven: dkim.some((each) => each.valid && each.aligned) }).toEqual({ what, proven })
  }
})

test.each([
  // peer            helo                 MAIL FROM               hint
  ['192.0.2.9', 'mx.loops.example', '', { domain: 'mx.loops.example', result: 'pass' }],
  ['198.51.100.1', 'mx.loops.example', '', { domain: 'mx.loops.example', result: 'fail' }],
  ['192.0.2.77', 'x.example', 'a@loops.example', { domain: 'loops.example', result: 'pass' }],
  ['::ffff:192.0.2.77', null, 'a@Loops.Example', { domain: 'loops.example', result: 'pass' }],
  ['192.0.2.9', 'unknown.example', '', { domain: 'unknown.example', result: 'none' }],
  ['192.0.2.9', 'not a name', '', null],
  ['192.0.2.9', null, '', null],
  [null, 'mx.loops.example', '', null],
])('spf: peer %s, helo %s, sender %s', async (peer, helo, from, want) => {
  expect((await verify(RAW, { peer, helo, from })).spf).toEqual(want)
})

test('arc: the last sealer and the result of the chain are recorded', async () => {
  const sealing = { signingDomain: 'evil.example', selector: 's', privateKey: pair.privateKey }
  const sealed = `${(await sealMessage(Buffer.from(RAW), { ...sealing, authResults: 'evil.example; none', cv: 'none' })).toString()}${RAW}`
  expect((await verify(sealed)).arc).toEqual({ domain: 'evil.example', result: 'pass' })
  expect((await verify(sealed.replace('hello', 'hullo'))).arc).toMatchObject({ result: 'fail' })
  expect((await verify(RAW)).arc).toBeNull()
})

test('a mail over a cap never reaches the library: no DNS query, and its signatures are recorded as not verified', async () => {
  const queries: string[] = []
  const { verify: counted, close } = createSignatureVerifier((name, type) => {
    queries.push(name)
    return lookUp(name, type)
  })
  const raw = Buffer.from(`X-Long: x\r\n${' y\r\n'.repeat(100_000)}${await sign('loops.example')}`)
  const { dkim } = await counted({ raw, peer: null, helo: null, from: '' }, NOW)
  expect({ dkim, queries }).toEqual({ dkim: [], queries: [] })
  const many = Buffer.from(
    (await sign('loops.example')).replace('\r\nFrom:', `\r\n${'DKIM-Signature: d=x.example; s=y\r\n'.repeat(10)}From:`),
  )
  const results = (await counted({ raw: many, peer: null, helo: null, from: '' }, NOW)).dkim
  expect(results.map(({ result, valid }) => ({ result, valid }))).toEqual(
    Array.from({ length: 10 }, () => ({ result: 'policy', valid: false })),
  )
  expect(queries).toEqual([])
  await close()
})
