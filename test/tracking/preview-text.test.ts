/**
 * preview-text.test - the preview text stands where the body begins, and can never become markup
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { insertPreviewText } from '../../src/tracking/preview-text.ts'

const mark = (html: string): string => html.replace(/<div style="display:none[^>]*>([^<]*)<\/div>/, '[$1]')

const CASES = [
  // html                                                                  preview   want
  ['<p>Hi</p>', 'A', '[A]<p>Hi</p>'],
  ['', 'A', '[A]'],
  ['<body><p>Hi</p></body>', 'A', '<body>[A]<p>Hi</p></body>'],
  ['<!doctype html><html><head></head><BODY class="a>b">Hi', 'A', '<!doctype html><html><head></head><BODY class="a>b">[A]Hi'],
  ['<!doctype html><p>Hi', 'A', '<!doctype html>[A]<p>Hi'],
  ['<html><head><title>x</title></head><p>Hi', 'A', '<html><head><title>x</title></head>[A]<p>Hi'],
  ['<!--[if mso]><body class="mso"><![endif]--><body>Hi', 'A', '<!--[if mso]><body class="mso"><![endif]--><body>[A]Hi'],
  ['<style>a{content:"<body>"}</style><body>Hi', 'A', '<style>a{content:"<body>"}</style><body>[A]Hi'],
  ['<p>Hi', '<b>&amp;', '[&lt;b&gt;&amp;amp;]<p>Hi'],
  ['<p>Hi', '%name%', '[%name%]<p>Hi'],
] as const

test.each(CASES)('%j with %j is %j', (html, preview, want) => expect(mark(insertPreviewText(html, preview))).toBe(want))

test('any text is put in once, and nothing else changes', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (html, preview) => {
      const inserted = insertPreviewText(html, preview)
      const at = inserted.indexOf('<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">')
      expect(at).toBeGreaterThanOrEqual(0)
      const length = inserted.length - html.length
      expect(inserted.slice(0, at) + inserted.slice(at + length)).toBe(html)
    }),
  )
})
