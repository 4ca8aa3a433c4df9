/**
 * mail-edits.test - tracked mails in any charset and transfer encoding: what changes, and that nothing else does
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { propertyRuns } from '../support/property-runs.ts'
import {
  ALL_ON,
  BASE,
  HEAD,
  leavesOf,
  mailOf,
  multipart,
  targetsIn,
  textPart,
  track,
  TOKENS,
  UNSUBSCRIBE_LINK,
  untrackHtml,
  type TransferEncoding,
} from './mails.ts'

const PLACEHOLDER = '%%user_defined_unsubscribe_link%%'
const ENCODINGS: readonly TransferEncoding[] = ['7bit', '8bit', 'quoted-printable', 'base64']

/** Bytes beyond ASCII that are valid in their charset, without line ends. */
const CHARSETS: Readonly<Record<string, readonly string[]>> = {
  'utf-8': ['caf\xc3\xa9', '\xe4\xbd\xa0\xe5\xa5\xbd'],
  'iso-8859-1': ['caf\xe9', '\xfcber'],
  'windows-1251': ['\xcf\xf0\xe8\xe2\xe5\xf2'],
  gb2312: ['\xc4\xe3\xba\xc3', '\xd3\xca\xcf\xe4'],
  // Trail bytes in the range of ASCII letters, braces and backslashes.
  gb18030: ['\x81\x7b\x81\x5c\x81\x7c', '\x81\x30\x81\x30'],
  big5: ['\xa7\x41\xa6\x6e', '\xb3\x5c\xa5\x5c'],
  shift_jis: ['\x83\x5c\x95\x5c', '\x83\x7b\x83\x7d'],
  'euc-kr': ['\xbe\xc8\xb3\xe7'],
  // 0x3C and 0x3E stand in Japanese characters.
  'iso-2022-jp': ['\x1b$B<>?M$<$>\x1b(B', '\x1b$B"<"&"=\x1b(J'],
}

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const path = fc.array(word, { maxLength: 4 }).map((words) => words.join('/'))
const target = fc.tuple(word, path, fc.array(fc.tuple(word, word), { maxLength: 3 })).map(([host, rest, query]) => {
  const search = query.map(([name, value]) => `${name}=${value}`).join('&amp;')
  return `https://${host}.example.com/${rest}${search === '' ? '' : `?${search}`}`
})
const untrackedLink = fc.constantFrom(
  'mailto:joe@example.com',
  'tel:+15550100',
  '#top',
  'data:text/plain,hi',
  'cid:a@b',
  '{{unsubscribe}}',
  PLACEHOLDER,
  '',
  'javascript:x',
)
const filler = (letters: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(
      '\r\n',
      ' ',
      '\t',
      ' = ',
      '=3D',
      '. ',
      '.\r\n',
      'From ',
      '&amp;',
      '<br>',
      '<!-- <a href="https://c.example/">x</a> -->',
      '<p>',
      '</p>',
      PLACEHOLDER,
    ),
    fc.constantFrom(...letters),
    word,
    fc.stringMatching(/^[a-z ]{60,200}$/),
  )
const htmlOf = (letters: readonly string[]): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        filler(letters),
        fc
          .tuple(fc.constantFrom('"', "'"), target, filler(letters))
          .map(([quote, url, text]) => `<a class=x href=${quote}${url}${quote}>${text}</a>`),
        target.map((url) => `<area shape=rect HREF = "${url}">`),
        fc.tuple(untrackedLink, filler(letters)).map(([url, text]) => `<a href="${url}">${text}</a>`),
        target.map((url) => `<a data-no-track href="${url}">x</a>`),
      ),
      { maxLength: 30 },
    )
    .chain((pieces) =>
      fc.constantFrom(pieces.join(''), `<html><body>${pieces.join('')}</body></html>`, `<html><body>${pieces.join('')}</body></html>\r\n`),
    )

const samples = fc
  .record({ charset: fc.constantFrom(...Object.keys(CHARSETS)), encoding: fc.constantFrom(...ENCODINGS) })
  .chain(({ charset, encoding }) => {
    const letters = encoding === '7bit' && charset !== 'iso-2022-jp' ? ['x'] : (CHARSETS[charset] ?? [])
    return fc.record({ charset: fc.constant(charset), encoding: fc.constant(encoding), html: htmlOf(letters), plain: htmlOf(letters) })
  })

test('rewriting and removing it again gives the same bytes, whatever charset and transfer encoding', () => {
  fc.assert(
    fc.property(samples, ({ charset, encoding, html, plain }) => {
      const type = `text/html; charset=${charset}`
      const raw = mailOf(
        multipart('alternative', [
          textPart(`text/plain; charset=${charset}`, Buffer.from(plain, 'latin1'), encoding),
          textPart(type, Buffer.from(html, 'latin1'), encoding),
        ]),
      )
      const before = leavesOf(raw)
      const after = leavesOf(track(raw))
      expect(untrackHtml(after[1]?.text ?? '')).toBe(before[1]?.text)
      const text = after[0]?.text.replaceAll(UNSUBSCRIBE_LINK, PLACEHOLDER) ?? ''
      expect(text.startsWith(before[0]?.text ?? 'none')).toBe(true)
      expect(targetsIn(after[1]?.text ?? '').filter((each) => each.startsWith('invalid'))).toEqual([])
    }),
    { numRuns: propertyRuns(150, 5_000) },
  )
})

test('lines stay within the limits of their transfer encoding, and 7-bit parts stay 7-bit', () => {
  fc.assert(
    fc.property(samples, ({ charset, encoding, html }) => {
      const raw = mailOf(textPart(`text/html; charset=${charset}`, Buffer.from(html, 'latin1'), encoding))
      const written = track(raw).toString('latin1')
      const limit = /quoted-printable/.test(written.slice(0, written.indexOf('\r\n\r\n'))) ? 76 : 998
      expect(written.split('\r\n').filter((line) => line.length > limit)).toEqual([])
      expect(encoding === '7bit' && /[\x80-\xff]/.test(written)).toBe(false)
    }),
    { numRuns: propertyRuns(100, 3_000) },
  )
})

test('any bytes give a mail, and what is no text part keeps its bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...ENCODINGS), (bytes, encoding) => {
      const raw = Buffer.concat([Buffer.from(`${HEAD}Content-Type: text/html\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`), bytes])
      const written = track(raw)
      expect(written.subarray(0, HEAD.length).toString()).toBe(HEAD)
    }),
    { numRuns: propertyRuns(200, 5_000) },
  )
})

const html = (body: string, charset = 'utf-8'): Buffer =>
  mailOf(textPart(`text/html; charset=${charset}`, Buffer.from(body, 'latin1'), '8bit'))
const trackedHtml = (body: string, switches = ALL_ON, charset = 'utf-8'): string =>
  leavesOf(track(html(body, charset), switches))[0]?.text ?? ''

const ONLY_CLICK = { open: false, click: true, unsubscribeFooter: false }
const ONLY_OPEN = { open: true, click: false, unsubscribeFooter: false }
const ONLY_FOOTER = { open: false, click: false, unsubscribeFooter: true }
const ALL_OFF = { open: false, click: false, unsubscribeFooter: false }

test.each([
  // HTML                                                                    targets
  ['<a href="https://a.example/?x=1&amp;y=2">a</a>', ['https://a.example/?x=1&y=2']],
  ['<a href="https://a.example/?x=1&copy=2">a</a>', ['https://a.example/?x=1&copy=2']],
  ["<A HREF='https://a.example/'>a</A>", ['https://a.example/']],
  ['<a href=https://a.example/x?y=z>a</a>', ['https://a.example/x?y=z']],
  ['<a\r\nhref\r\n=\r\n"https://a.example/"\r\n>a</a>', ['https://a.example/']],
  ['<map><area href="https://a.example/"></map>', ['https://a.example/']],
  ['<a href="&#104;ttps://a.example/">a</a>', ['https://a.example/']],
  ['<a href="https://a.example/" href="https://b.example/">a</a>', ['https://a.example/']],
  ['<a href="https://a.example/"/>', ['https://a.example/']],
  ['<a href="https://a.example/\xc3\xa9">a</a>', ['https://a.example/%C3%A9']],
  ['<link href="https://a.example/"><img src="https://a.example/"><form action="https://a.example/">', []],
  ['<!--[if mso]><a href="https://a.example/">a</a><![endif]-->', []],
  ['<!--[if !mso]><!--><a href="https://a.example/">a</a><!--<![endif]-->', ['https://a.example/']],
  ['<style>a[href="https://a.example/"]{}</style><script>"<a href=https://b.example/>"</script>', []],
  ['<title><a href="https://a.example/"></title><textarea><a href="https://a.example/"></textarea>', []],
  [
    '<xmp><a href="https://a.example/"></xmp><iframe><a href="https://b.example/"></iframe><a href="https://c.example/">',
    ['https://c.example/'],
  ],
  ['<a data-no-track href="https://a.example/">a</a><a href="https://b.example/" DATA-NO-TRACK="1">b</a>', []],
  ['<a href="https://a.example/{{id}}">a</a><a href="{{unsubscribe_url}}">b</a><a href="*|UNSUB|*">c</a>', []],
  ['<a href="https://a.example/\xe9">not UTF-8</a>', []],
  ['<a href="https://a.example/\x00">a</a>', []],
  ['<a href="https://t.example.com/c/x/y/z">ours</a><a href="https://t.example.com/u/x">ours</a>', []],
  ['<a href="https://t.example.com/shop">not ours</a>', ['https://t.example.com/shop']],
  [`<a href="https://a.example/${'x'.repeat(2_000)}">a</a>`, []],
  ['<a href="https://a.example/', []],
  ['<a title=">" href="https://a.example/">a</a>', ['https://a.example/']],
] as const)('the links of %j lead to %j', (body, targets) => {
  const text = trackedHtml(body, ONLY_CLICK)
  expect(targetsIn(text)).toEqual(targets)
  expect(targets.length > 0 && text === body).toBe(false)
})

const PIXEL = `<img src="${BASE}/o/${TOKENS.tracking}.gif" width="1" height="1" alt="" border="0" style="width:1px;height:1px;border:0">`

test.each([
  // HTML, with | where the image stands
  '<html><body><p>a</p>|</body></html>',
  '<BODY><p>a</p>|</BODY >\r\n</HTML>',
  '<html><p>a</p>|</html>',
  '<p>a</p>|',
  'a|',
  '<body>one</body><body>two|</body>',
  '<body>a<!-- </body> -->|</body>',
  '<body>a<script>"</body>"</script>|',
  '<p>a</p><!-- open',
  '<p>a</p><a href="',
  '<p>a</p><script>',
  '<p>a</p><textarea>',
  '<plaintext>a',
  '',
  ' \r\n',
])('the open image of %j stands at the end of the body', (marked) => {
  expect(trackedHtml(marked.replace('|', ''), ONLY_OPEN)).toBe(marked.replace('|', PIXEL))
})

test('the placeholder becomes the unsubscribe link wherever it stands, also with all tracking off, and there is no footer', () => {
  const body = `<a href="${PLACEHOLDER}">out</a> ${PLACEHOLDER} <!-- ${PLACEHOLDER} -->`
  const expected = body.replaceAll(PLACEHOLDER, UNSUBSCRIBE_LINK)
  expect(trackedHtml(body, ALL_OFF)).toBe(expected)
  expect(trackedHtml(body, ONLY_FOOTER)).toBe(expected)
})

test.each([
  ['Hello', 'utf-8', 'Unsubscribe'],
  ['<html lang="de-AT"><body>Hallo</body></html>', 'utf-8', 'Abmelden'],
  [Buffer.from('<p>您好</p>').toString('latin1'), 'utf-8', '&#36864;&#35746;'],
  ['\xc4\xe3\xba\xc3', 'gb2312', '&#36864;&#35746;'],
  ['\x1b$B$"\x1b(B', 'iso-2022-jp', '&#37197;&#20449;&#20572;&#27490;'],
  ['\xa7A', 'big5', '&#21462;&#28040;&#35330;&#38321;'],
])('the footer of %j in %s says %s', (body, charset, label) => {
  const text = trackedHtml(body, ONLY_FOOTER, charset)
  expect(text).toContain(`<a href="${UNSUBSCRIBE_LINK}" style="color:#767676">${label}</a></div>`)
  expect(text.replace(body, '')).toMatch(/^[\u0000-\u007f]*$/)
})

test.each([
  // The text of a part as it was, its type, and what is added.
  ['Hello\r\n', 'text/plain; charset=utf-8', `\r\nYou do not want these emails any more?\r\nUnsubscribe: ${UNSUBSCRIBE_LINK}\r\n`],
  ['Hello', 'text/plain', `\r\n\r\nYou do not want these emails any more?\r\nUnsubscribe: ${UNSUBSCRIBE_LINK}\r\n`],
  ['\xc4\xe3', 'text/plain; charset=gb2312', `\r\n\r\nYou do not want these emails any more?\r\nUnsubscribe: ${UNSUBSCRIBE_LINK}\r\n`],
  ['-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nHello\r\n', 'text/plain', ''],
  ['\x1b$B$"', 'text/plain; charset=iso-2022-jp', ''],
  ['h\0i\0', 'text/plain; charset=utf-16le', ''],
  ['hello', 'text/plain; charset=utf-16', ''],
  ['hello', 'text/plain; charset=utf-7', ''],
  ['hello', 'text/plain; charset=hz-gb-2312', ''],
  ['hello', 'text/plain; charset=x-nobody-knows', ''],
  ['\r\n', 'text/plain', ''],
])('%j as %s gets the footer %j', (body, type, footer) => {
  const written = track(mailOf(textPart(type, Buffer.from(body, 'latin1'), '8bit')))
  expect(leavesOf(written)[0]?.text).toBe(body + footer)
})

test('a Chinese text in UTF-8 gets a Chinese footer, whatever the transfer encoding', () => {
  for (const encoding of ['8bit', 'quoted-printable', 'base64'] as const) {
    const written = track(mailOf(textPart('text/plain; charset=utf-8', Buffer.from('您好\r\n'), encoding)))
    expect(Buffer.from(leavesOf(written)[0]?.text ?? '', 'latin1').toString()).toContain(`退订: ${UNSUBSCRIBE_LINK}`)
  }
})

const LINK = '<a href="https://a.example/">a</a>'
const htmlPart = textPart('text/html; charset=utf-8', Buffer.from(LINK), '7bit')

test.each([
  ['multipart/signed', multipart('signed', [htmlPart, 'Content-Type: application/pgp-signature\r\n\r\nsig'])],
  ['multipart/encrypted', multipart('encrypted', ['Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1', htmlPart])],
  ['application/pkcs7-mime', textPart('application/pkcs7-mime; smime-type=enveloped-data', Buffer.from(LINK), 'base64')],
  ['text/calendar', textPart('text/calendar; method=REQUEST', Buffer.from(`DESCRIPTION:${LINK}`), '7bit')],
  ['text/x-amp-html', textPart('text/x-amp-html', Buffer.from(`<html amp4email><body>${LINK}</body></html>`), '7bit')],
  ['message/rfc822', `Content-Type: message/rfc822\r\n\r\n${HEAD}${htmlPart}`],
  ['an attached HTML file', `Content-Disposition: attachment; filename=a.html\r\n${htmlPart}`],
  ['a named inline HTML file', `Content-Disposition: inline; filename=a.html\r\n${htmlPart}`],
  ['a mail with a DKIM signature', `DKIM-Signature: v=1; a=rsa-sha256; d=example.com\r\n${htmlPart}`],
  ['a mail with an ARC signature', `ARC-Message-Signature: i=1; a=rsa-sha256; d=example.com\r\n${htmlPart}`],
  ['base64 with a foreign line', `Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n-- \r\nfooter`],
])('%s is never changed', (_, content) => {
  const raw = mailOf(content)
  expect(track(raw).equals(raw)).toBe(true)
})

test('the other parts of a mail with a sealed part are tracked, and the sealed part keeps its bytes', () => {
  const sealed = multipart('signed', [htmlPart, 'Content-Type: application/pgp-signature\r\n\r\nsig'], 'inner')
  const written = track(mailOf(multipart('mixed', [sealed, htmlPart]))).toString('latin1')
  expect(written).toContain(sealed)
  expect(targetsIn(written)).toEqual(['https://a.example/'])
})

test('only the first text of each type has the image and the footer, and every HTML part its links', () => {
  const attachment = `Content-Disposition: attachment\r\n${htmlPart}`
  const plain = textPart('text/plain', Buffer.from('Hi'), '7bit')
  const written = track(mailOf(multipart('mixed', [multipart('alternative', [plain, htmlPart], 'inner'), htmlPart, plain, attachment])))
  const texts = leavesOf(written).map(({ text }) => [targetsIn(text).length, text.split('/o/').length - 1, text.split('/u/').length - 1])
  expect(texts).toEqual([
    [0, 0, 1],
    [1, 1, 1],
    [1, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ])
})

test('a link that makes a line too long for 7bit gives the part quoted-printable, with the same text', () => {
  const long = `<a href="https://a.example/${'x'.repeat(900)}">a</a>`
  const written = track(mailOf(textPart('text/html; charset=utf-8', Buffer.from(`${long}\r\n${long}`), '7bit')), ONLY_CLICK)
  expect(written.toString('latin1')).toContain('Content-Transfer-Encoding: quoted-printable\r\n\r\n')
  expect(written.toString('latin1')).not.toContain('7bit')
  expect(untrackHtml(leavesOf(written)[0]?.text ?? '')).toBe(`${long}\r\n${long}`)
})

test('soft line breaks, odd spellings and a soft break at the end of a quoted-printable part stay', () => {
  const body = '<p>=41=\r\nb =3d=3D  =\r\n</p><a href=3D"https://a.ex=\r\nample/=3Fx">a</a>=c3=A9 =ZZ ='
  const raw = mailOf(`Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${body}`)
  const written = track(raw, { ...ALL_ON, unsubscribeFooter: false }).toString('latin1')
  const [before = '', after = ''] = body.split('https://a.ex=\r\nample/=3Fx')
  expect(written.startsWith(`${raw.toString('latin1').slice(0, -body.length)}${before}`)).toBe(true)
  expect(written).toContain(after)
  expect(targetsIn(leavesOf(Buffer.from(written, 'latin1'))[0]?.text ?? '')).toEqual(['https://a.example/?x'])
  expect(leavesOf(Buffer.from(written, 'latin1'))[0]?.text.endsWith(PIXEL)).toBe(true)
})

test.each(['x'.repeat(76), `${'x'.repeat(73)}=C3`, `a\r\n${'x'.repeat(76)}`, 'x'.repeat(75), `${'x'.repeat(75)}=`])(
  'what is added behind the full last line of %j keeps the length of its lines',
  (body) => {
    const raw = mailOf(`Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${body}`)
    const written = track(raw)
    expect(
      written
        .toString('latin1')
        .split('\r\n')
        .filter((line) => line.length > 76),
    ).toEqual([])
    expect(untrackHtml(leavesOf(written)[0]?.text ?? '')).toBe(leavesOf(raw)[0]?.text)
  },
)

test('base64 keeps its line length and its last line end', () => {
  const lines = (
    Buffer.from(`<p>${'x'.repeat(100)}</p>${LINK}`)
      .toString('base64')
      .match(/.{1,60}/g) ?? []
  ).join('\r\n')
  const raw = mailOf(`Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n${lines}\r\n`)
  const written = track(raw, ONLY_CLICK).toString('latin1')
  const body = written.slice(written.indexOf('\r\n\r\n') + 4)
  expect(body.endsWith('\r\n')).toBe(true)
  expect(
    new Set(
      body
        .trimEnd()
        .split('\r\n')
        .slice(0, -1)
        .map(({ length }) => length),
    ),
  ).toEqual(new Set([60]))
})

test('a mail whose switches are all off is the same mail', () => {
  const raw = html(LINK)
  expect(track(raw, ALL_OFF)).toBe(raw)
})

test('the first thousand links of a part are tracked', () => {
  const text = trackedHtml('<a href="https://a.example/">a</a>'.repeat(1_002), ONLY_CLICK)
  expect(targetsIn(text)).toHaveLength(1_000)
  expect(text.split('<a href="https://a.example/">')).toHaveLength(3)
})

test.each([
  ['one line without end', `<p>${'x'.repeat(2_000_000)}</p>${LINK.repeat(2_000)}`],
  ['a link of white space', `<a href="${' '.repeat(2_000_000)}x">`],
  ['tags that do not end', '<a href="x '.repeat(200_000)],
  ['attributes without end', `<a ${'b '.repeat(500_000)}`],
  ['equals signs', '='.repeat(2_000_000)],
  ['equals signs with white space', '=  \t'.repeat(500_000)],
  ['entities', '<a href="' + '&amp;'.repeat(300_000)],
])('%s of two million characters is read in one pass', (_, body) => {
  const raw = mailOf(`Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${body}`)
  expect(track(raw, ONLY_CLICK).subarray(0, HEAD.length).toString()).toBe(HEAD)
})
