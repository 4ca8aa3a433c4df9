/**
 * newsletters - ten mails as senders' programs build them, with what tracking finds in each of their parts
 *
 * Bodies are bytes with one character each. All names are reserved (RFC 2606).
 */
import { HEAD, multipart, textPart, type TransferEncoding } from './mails.ts'

/** What is expected of one leaf: its links, the image and the footer; `same`: nothing changes. */
type ExpectedLeaf = 'same' | { readonly targets: readonly string[]; readonly image: boolean; readonly footer: boolean }

export type Newsletter = { readonly title: string; readonly content: string; readonly leaves: readonly ExpectedLeaf[] }

const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8')
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const crlf = (text: string): string => text.trimStart().replaceAll('\n', '\r\n')
const plain = (text: string, charset = 'utf-8', encoding: TransferEncoding = 'quoted-printable'): string =>
  textPart(`text/plain; charset=${charset}`, charset === 'utf-8' ? utf8(crlf(text)) : bytes(crlf(text)), encoding)
const html = (text: string, charset: string, encoding: TransferEncoding): string =>
  textPart(`text/html; charset="${charset}"`, charset === 'utf-8' ? utf8(crlf(text)) : bytes(crlf(text)), encoding)
const file = (type: string, name: string): string =>
  `Content-Type: ${type}; name=${name}\r\nContent-Disposition: attachment; filename=${name}\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.alloc(90, 7).toString('base64')}`

const FOOTER = { targets: [], image: false, footer: true }

/** A shop's layout of nested tables, with a bulletproof button and a preheader. */
const TABLES = `
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml" lang="de">
<head><title>Herbst & mehr <a href="https://no.example.com/"></title>
<style type="text/css">a[href^="https://no.example.com"] { color: #333 } @media (max-width:600px) { .w { width:100% !important } }</style>
<!--[if gte mso 9]><xml><o:OfficeDocumentSettings/></xml><![endif]-->
</head>
<body style="margin:0" bgcolor="#ffffff">
<div style="display:none">Größen für alle&nbsp;&zwnj;</div>
<table role="presentation" width="100%"><tr><td align=center>
<!--[if mso]><v:roundrect href="https://no.example.com/button" arcsize="10%"><![endif]-->
<a href="https://shop.example.com/herbst?utm_source=mail&amp;utm_medium=newsletter" style="background:#d00;color:#fff" target="_blank">Zur Kollektion</a>
<!--[if mso]></v:roundrect><![endif]-->
<a href="https://shop.example.com/größen?x=1&#38;y=2"><img src="https://img.example.com/a.png" alt="Größen"></a>
</td></tr></table>
<p><a href="mailto:hallo@example.com?subject=Frage">Schreiben Sie uns</a> | <a href="tel:+49300000">Anrufen</a> | <a href="#oben">Nach oben</a></p>
</body>
</html>
`

const MINIFIED = `<body><p><a href=https://blog.example.com/1>One</a><a href=https://blog.example.com/2?a=b class=x>Two</a>${'<b>word</b> '.repeat(60)}<a href='https://blog.example.com/3'/>Three</a>`

const TEMPLATES = `
<html><body>
<map name="m"><area shape="rect" coords="0,0,9,9" href="https://shop.example.com/left"><area href="#right"></map>
<a href="{{unsubscribe_url}}">Out</a> <a href="*|UPDATE_PROFILE|*">Profile</a> <a href="https://shop.example.com/[[id]]">Account</a>
<a href="https://shop.example.com/private" data-no-track>Private</a>
<a data-no-track="true" href="https://shop.example.com/reset?token=x">Reset</a>
<a name="top">Top</a> <a href="sms:+15550100">Text</a> <a href="data:text/plain,x">Data</a> <a href="//shop.example.com/x">Relative</a>
<a href="  https://shop.example.com/spaces  ">Spaces</a>
</body></html>
`

export const NEWSLETTERS: readonly Newsletter[] = [
  {
    title: 'a shop with nested tables and conditional comments, quoted-printable',
    content: multipart('alternative', [plain('Herbst: https://shop.example.com/herbst'), html(TABLES, 'utf-8', 'quoted-printable')]),
    leaves: [
      FOOTER,
      {
        targets: [
          'https://shop.example.com/herbst?utm_source=mail&utm_medium=newsletter',
          'https://shop.example.com/gr%C3%B6%C3%9Fen?x=1&y=2',
        ],
        image: true,
        footer: true,
      },
    ],
  },
  {
    title: 'inline images in multipart/related, base64',
    content: multipart('related', [
      multipart('alternative', [
        plain('News', 'utf-8', 'base64'),
        html('<body><img src="cid:logo@example.com"><a href="https://news.example.com/">News</a></body>', 'utf-8', 'base64'),
      ]),
      `Content-ID: <logo@example.com>\r\n${file('image/png', 'logo.png')}`,
    ]),
    leaves: [FOOTER, { targets: ['https://news.example.com/'], image: true, footer: true }, 'same'],
  },
  {
    title: 'a Chinese promotion in GB 2312, base64',
    content: html(
      '<html><body><h1>\xb4\xf3\xcf\xfa\xc2\xf4</h1>\n<a href="https://shop.example.cn/?id=8">\xc1\xa2\xbc\xb4\xb9\xba\xc2\xf2</a></body></html>',
      'gb2312',
      'base64',
    ),
    leaves: [{ targets: ['https://shop.example.cn/?id=8'], image: true, footer: true }],
  },
  {
    title: 'a Japanese magazine in ISO-2022-JP, 7bit',
    content: multipart('alternative', [
      plain('\x1b$B$3$s$K$A$O\x1b(B\nhttps://mag.example.jp/\n', 'iso-2022-jp', '7bit'),
      html(
        '<html><body>\x1b$B"<"&">"=<>?M\x1b(B <a href="https://mag.example.jp/">\x1b$BFI$`\x1b(B</a></body></html>\n',
        'iso-2022-jp',
        '7bit',
      ),
    ]),
    leaves: [FOOTER, { targets: ['https://mag.example.jp/'], image: true, footer: true }],
  },
  {
    title: 'a Korean notice in EUC-KR, 8bit, whose link has Korean letters',
    content: html(
      '<body><a href="https://shop.example.kr/\xbe\xc8">\xbe\xc8\xb3\xe7</a><a href="https://shop.example.kr/">\xbe\xc8</a></body>',
      'euc-kr',
      '8bit',
    ),
    leaves: [{ targets: ['https://shop.example.kr/'], image: true, footer: true }],
  },
  {
    title: 'an invitation with AMP, a calendar part and an attachment',
    content: multipart('mixed', [
      multipart('alternative', [
        plain('Invitation'),
        textPart(
          'text/x-amp-html; charset=utf-8',
          utf8('<!doctype html><html amp4email><body><a href="https://amp.example.com/">x</a></body></html>'),
          '7bit',
        ),
        html('<body><a href="https://events.example.com/rsvp">RSVP</a></body>', 'utf-8', '7bit'),
        textPart(
          'text/calendar; method=REQUEST; charset=utf-8',
          utf8(crlf('BEGIN:VCALENDAR\nURL:https://events.example.com/\nEND:VCALENDAR\n')),
          '7bit',
        ),
      ]),
      file('application/ics', 'invite.ics'),
    ]),
    leaves: [FOOTER, 'same', { targets: ['https://events.example.com/rsvp'], image: true, footer: true }, 'same', 'same'],
  },
  {
    title: 'a receipt in Windows-1252 with a signed invoice that arrived by mail',
    content: multipart('mixed', [
      html(
        '<html>\n<body>Caf\xe9 \x80 12 <a href="https://bill.example.fr/?n=1&amp;c=2">Facture</a>\n</body>\n</html>\n',
        'windows-1252',
        'quoted-printable',
      ),
      multipart('signed', [
        html('<a href="https://bill.example.fr/">x</a>', 'utf-8', '7bit'),
        file('application/pkcs7-signature', 'smime.p7s'),
      ]),
      `Content-Type: message/rfc822\r\n\r\n${HEAD}${html('<a href="https://bill.example.fr/">x</a>', 'utf-8', '7bit')}`,
    ]),
    leaves: [{ targets: ['https://bill.example.fr/?n=1&c=2'], image: true, footer: true }, 'same', 'same', 'same', 'same'],
  },
  {
    title: 'minified HTML in one line with unquoted attributes, 7bit',
    content: html(MINIFIED, 'us-ascii', '7bit'),
    leaves: [
      {
        targets: ['https://blog.example.com/1', 'https://blog.example.com/2?a=b', 'https://blog.example.com/3'],
        image: true,
        footer: true,
      },
    ],
  },
  {
    title: 'links that are not tracked, and an image map',
    content: multipart('alternative', [plain('See https://shop.example.com/'), html(TEMPLATES, 'utf-8', '8bit')]),
    leaves: [FOOTER, { targets: ['https://shop.example.com/left', 'https://shop.example.com/spaces'], image: true, footer: true }],
  },
  {
    title: 'a Big5 mail with the unsubscribe placeholder in both parts',
    content: multipart('alternative', [
      plain('\xa7A\xa6n\n%%user_defined_unsubscribe_link%%\n', 'big5', '8bit'),
      html(
        '<body>\xb3\x5c\xa5\x5c <a href="%%user_defined_unsubscribe_link%%">\xa8\xfa\xae\xf8</a> <a href="https://shop.example.tw/">\xa9\xb1</a></body>',
        'big5',
        'quoted-printable',
      ),
    ]),
    leaves: [
      { targets: [], image: false, footer: false },
      { targets: ['https://shop.example.tw/'], image: true, footer: false },
    ],
  },
]
