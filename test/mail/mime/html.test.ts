/** html.test - the text of an HTML-only bounce */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { htmlToText } from '../../../src/mail/mime/html.ts'

const cases: readonly (readonly [string, string])[] = [
  ['<p>550 5.1.1<br>No such user</p>', '550 5.1.1\nNo such user'],
  ['a &lt;b@example.com&gt; &amp;c &#228;&#xe4;&auml;&nbsp;d', 'a <b@example.com> &c äää d'],
  ['x <a@example.com> y', 'x <a@example.com> y'],
  ['1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
  ['<td>a</td><td>b</td>', 'a\n\nb'],
  ['<ul><li>a<li>b</ul>', 'a\n\nb'],
  ['a   \n  b', 'a b'],
  ['<pre>a\nb</pre>', 'a\nb'],
  ['<b>a</b>b <i>c</i>', 'ab c'],
  ['<style>p { x }</style>a<script>if (a < b) {}</script>b', 'ab'],
  ['<script>never closed', 'never closed'],
  ['<!-- hidden <p> -->a<!DOCTYPE html>b', 'ab'],
  ['<!-- never closed a', 'never closed a'],
  ['<a title="x > y" href=z>link</a>', 'link'],
  ['<p', '<p'],
  ['a<br/>b<BR />c', 'a\nb\nc'],
  ['&rarr;&nosuchthing;', '→&nosuchthing;'],
  ['&#0;&#1114112;', '\ufffd\ufffd'],
  ['', ''],
]

test.each(cases)('htmlToText %j', (html, want) => expect(htmlToText(html).replace(/\n+/g, '\n')).toBe(want.replace(/\n+/g, '\n')))

test('converts hostile HTML in bounded time', () => {
  expect(htmlToText(`${'<div>'.repeat(40_000)}x`)).toBe('x')
  expect(htmlToText('<a href="'.repeat(30_000))).toEqual(expect.any(String))
  expect(htmlToText('<!--'.repeat(60_000))).toEqual(expect.any(String))
  expect(htmlToText('<script>'.repeat(30_000))).toEqual(expect.any(String))
  expect(htmlToText('&Zopf;'.repeat(40_000))).toEqual(expect.any(String))
  expect(htmlToText('a'.repeat(1_000), 10)).toBe('a'.repeat(10))
})

test('any text gives text', () => {
  const soup = fc.array(
    fc.constantFrom('<', '>', '</', '<!--', '-->', '<p>', '<script>', '</script>', '"', '&', ';', '&#', 'x', '\n', '<br'),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        soup.map((all) => all.join('')),
      ),
      (html) => {
        expect(typeof htmlToText(html)).toBe('string')
      },
    ),
    { numRuns: 500 },
  )
})
