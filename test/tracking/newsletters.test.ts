/**
 * newsletters.test - ten newsletters, compared part by part before and after tracking, also as mailparser reads them
 */
import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { leavesOf, mailOf, targetsIn, track, UNSUBSCRIBE_LINK, untrackHtml } from './mails.ts'
import { NEWSLETTERS } from './newsletters.ts'

const PLACEHOLDER = '%%user_defined_unsubscribe_link%%'
const OPEN_LINK = /https:\/\/t\.example\.com\/o\/[a-z2-7]{30}\.gif/

/** The links of an HTML text whose target is written in another way than the sender wrote it. */
const normaliseLinks = (text: string): string =>
  text
    .replace('https://shop.example.com/gr\xc3\xb6\xc3\x9fen?x=1&#38;y=2', 'https://shop.example.com/gr%C3%B6%C3%9Fen?x=1&amp;y=2')
    .replace('"  https://shop.example.com/spaces  "', '"https://shop.example.com/spaces"')

test.each(NEWSLETTERS)('$title', ({ content, leaves }) => {
  const raw = mailOf(content)
  const written = track(raw)
  const [before, after] = [leavesOf(raw), leavesOf(written)]
  expect(after.map(({ type }) => type)).toEqual(before.map(({ type }) => type))
  const found = after.map(({ text, head, type }, index) => {
    const { text: original = '', head: originalHead = '' } = before[index] ?? {}
    if (text === original && head === originalHead) return 'same'
    const hasFooter = text.includes(UNSUBSCRIBE_LINK) && !original.includes(PLACEHOLDER)
    const restored = type === 'text/html' ? untrackHtml(text) : text.replaceAll(UNSUBSCRIBE_LINK, PLACEHOLDER).slice(0, original.length)
    expect(restored).toBe(normaliseLinks(original))
    return { targets: targetsIn(text), image: OPEN_LINK.test(text), footer: hasFooter }
  })
  expect(found).toEqual(leaves)
})

test.each(NEWSLETTERS)('mailparser reads the same mail: $title', async ({ content }) => {
  const [before, after] = await Promise.all([simpleParser(mailOf(content)), simpleParser(track(mailOf(content)))])
  const linesOf = ({ headerLines }: typeof before): object[] => headerLines.filter(({ key }) => key !== 'content-transfer-encoding')
  expect(linesOf(after)).toEqual(linesOf(before))
  expect(after.attachments.map(({ content: bytes, contentType }) => [contentType, bytes.toString('latin1')])).toEqual(
    before.attachments.map(({ content: bytes, contentType }) => [contentType, bytes.toString('latin1')]),
  )
  const words = (html: string | false | undefined): string =>
    (html || '').replaceAll(/<div style="font:12px\/18px[^]*?<\/div>|<[^>]*>/g, '')
  expect(words(after.html)).toBe(words(before.html).replaceAll(PLACEHOLDER, UNSUBSCRIBE_LINK))
})
