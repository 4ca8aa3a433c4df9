/**
 * signature-limits.test - which mails reach the signature library, and what is known of the others
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scanSignatures, SIGNATURE_LIMITS } from '../../src/mail-auth/signature-limits.ts'

const SIGNATURE = 'DKIM-Signature: v=1; a=rsa-sha256; d=Loops.example;\r\n s=sel; h=from; b=x\r\n'
const FROM = 'From: a@loops.example\r\n'
const END = '\r\nbody\r\n'
const folds = (lines: number): string => `X-Long: x\r\n${' y\r\n'.repeat(lines)}`
const scan = (raw: string) => scanSignatures(Buffer.from(raw, 'latin1'), SIGNATURE_LIMITS)

test.each([
  // what                                       the mail                                                         cap               signed
  ['no signature', FROM + END, null, false],
  ['a signature', SIGNATURE + FROM + END, null, true],
  ['a signature in the body', FROM + END + SIGNATURE, null, false],
  ['in upper case, with LF alone', `${SIGNATURE}${FROM}`.toUpperCase().replaceAll('\r', '') + '\nbody', null, true],
  ['an ARC seal', `ARC-Seal: i=1; d=a.example\r\n${FROM}${END}`, null, true],
  ['an empty mail', '', null, false],
  ['a mail that begins with the empty line', `\r\n${SIGNATURE}${END}`, null, false],
  ['ten signatures', SIGNATURE.repeat(10) + FROM + END, null, true],
  ['eleven signatures', SIGNATURE.repeat(11) + FROM + END, 'signatures', true],
  ['eleven names that the library may take for signatures', 'DKIM-Signature \t: x\r\n'.repeat(11) + END, 'signatures', true],
  ['eleven seals', 'ARC-Seal: i=1\r\n'.repeat(11) + END, 'signatures', true],
  [
    'four body hashes',
    ['simple', 'relaxed']
      .map((c) => SIGNATURE.replace('d=', `c=${c}/${c}; d=`))
      .join('')
      .repeat(2) + END,
    null,
    true,
  ],
  ['five body hashes', [1, 2, 3, 4, 5].map((length) => SIGNATURE.replace('d=', `l=${length}; d=`)).join('') + END, 'signatures', true],
  ['998 folds', SIGNATURE + folds(997) + END, null, true],
  ['1,000 folds', SIGNATURE + folds(1_000) + END, 'headerLines', true],
  ['lines without a colon', SIGNATURE + 'x\r\n'.repeat(1_000) + END, 'headerLines', true],
  ['a header of 65,536 bytes', FROM.padEnd(65_534, 'x') + '\r\n' + END, 'headerBytes', false],
  ['a header that never ends', `${SIGNATURE}X-Long: ${'y'.repeat(65_536)}`, 'headerBytes', true],
  ['300 KB of folds', SIGNATURE + folds(100_000) + END, 'headerLines', true],
  ['a signature of 5 KB', `DKIM-Signature: d=a.example; h=${'from:'.repeat(1_000)}\r\n${END}`, 'signatureBytes', true],
  ['a large body', SIGNATURE + FROM + END + 'z'.repeat(200_000), null, true],
] as const)('%s', (_what, raw, exceeded, isSigned) => {
  expect(scan(raw)).toMatchObject({ exceeded, isSigned })
})

test('the domains and selectors that signatures claim are known for a mail over a cap too', () => {
  expect(scan(SIGNATURE.repeat(12) + END).claimed).toEqual(Array.from({ length: 10 }, () => ({ domain: 'loops.example', selector: 'sel' })))
  expect(scan(`DKIM-Signature: s=x; h=from\r\n${END}`).claimed).toEqual([])
})

test('any bytes give a scan, and a mail under the caps is never larger than they allow', () => {
  const piece = fc.constantFrom('\r\n', '\n', '\r', ' ', '\t', ':', ';', 'd=', 'DKIM-Signature', 'arc-seal', 'from', 'x'.repeat(50), '=')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
      const raw = pieces.join('')
      const limits = { headerBytes: 200, headerLines: 8, signatures: 2, signatureBytes: 60 }
      const { exceeded, claimed } = scanSignatures(Buffer.from(raw, 'latin1'), limits)
      expect(claimed.length).toBeLessThanOrEqual(limits.signatures)
      if (exceeded !== null) return
      const head = /^(?:\r?\n|[^]*?\n\r?\n)/.exec(raw)?.[0] ?? raw
      expect(head.length).toBeLessThanOrEqual(limits.headerBytes + 3)
      expect(head.match(/^dkim-signature/gim)?.length ?? 0).toBeLessThanOrEqual(limits.signatures)
    }),
  )
})
