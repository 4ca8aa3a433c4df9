/** reply-shape.test - one wording is one shape, whatever differs from mail to mail; and where the words of a verdict stand */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { findWords } from '../../src/classify/matched-words.ts'
import { replyShape } from '../../src/classify/reply-shape.ts'
import { classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import { proposeRule } from '../../src/classify/rule-proposal.ts'
import { compileDraft, layDraftOver } from '../../src/config/rule-draft.ts'
import { loadRules } from '../../src/config/rule-files.ts'

const table = loadRules()

const SHAPES = [
  ['552 5.2.2 <ann@example.com>: box 4711 full', '# 5.2.2 <address>: box # full'],
  ['Box  4712\r\n FULL for bob@example.org', 'box # full for <address>'],
  ['see https://help.example.com/a?b=1 or 192.0.2.17', 'see <url> or <ip>'],
  ['mx1.example.net [2001:db8:0:1::17] refused', '<host> <ip> refused'],
  ['queued as 4Bqz7c0HvLz9 by us', 'queued as <id> by us'],
  ['', ''],
] as const

test.each(SHAPES)('replyShape %j', (text, shape) => expect(replyShape(text)).toBe(shape))

test('a shape is short, total, and has no address', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 3_000 }), (text) => {
      expect(replyShape(text).length).toBeLessThanOrEqual(200)
      expect(replyShape(`${text} joe@example.com`.slice(0, 500))).not.toMatch(/joe@example/)
    }),
  )
})

test('a hostile text costs no time', () => {
  const texts = ['a.'.repeat(300), 'a@'.repeat(300), '1:'.repeat(300), `${'a1'.repeat(300)}@`, '<'.repeat(600)]
  for (const text of texts) expect(replyShape(text).length).toBeLessThanOrEqual(200)
})

const PLACES = [
  // text, phrase, the words as they stand in the text
  ['The  Mailbox is\r\n  FULL, sorry', 'mailbox is full', 'Mailbox is\r\n  FULL'],
  ['superuser unknown user unknown', 'user unknown', 'user unknown'],
  ['listed by 192.0.2.1 at zen.spamhaus', 'listed * spamhaus', 'listed by 192.0.2.1 at zen.spamhaus'],
  ['Boîte «pleine» déjà', 'boite "pleine"', 'Boîte «pleine»'],
  ['nothing here', 'user unknown', null],
  ['550', '550', '550'],
] as const

test.each(PLACES)('findWords %j %j', (text, phrase, want) => {
  const found = findWords(text, phrase)
  expect(found === null ? null : text.slice(found.from, found.to)).toBe(want)
})

test('the words of every shipped hit are found where the rule read them', () => {
  let [found, all] = [0, 0]
  for (const rule of table.rules)
    for (const hit of rule.hits) {
      const { evidence } = classify(table, classifierInputOfText(typeof hit === 'string' ? hit : hit.text))
      for (const words of evidence.matched) {
        if (/^[\d.]+$/.test(words)) continue
        all += 1
        if (findWords(evidence.text, words) !== null) found += 1
      }
    }
  expect(found / all).toBeGreaterThan(0.99)
})

test('findWords is total', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), fc.string({ maxLength: 30 }), (text, phrase) => {
      const { from, to } = findWords(text, phrase) ?? { from: 0, to: 1 }
      expect(0 <= from && from < to && to <= Math.max(1, text.length)).toBe(true)
    }),
  )
})

test.each([
  '550 5.7.1 ann@example.com: the zorgle of this box is gone (id 4Bqz7c0HvLz9)',
  '421 Zorgle limit "reached" for 192.0.2.200\\n',
  '554 邮箱不存在的佐格尔',
  '550',
])('a proposal for %j is a file that loads once its reason is known', (reply) => {
  const input = classifierInputOfText(reply)
  const verdict = classify(table, input)
  const proposal = proposeRule(table, input.reply, verdict)
  expect(proposal.hits[0]).not.toContain('ann@')
  if (input.reply.text === '') return
  const draft = layDraftOver(table, [{ file: 'own.toml', text: proposal.toml }])
  expect(compileDraft(table, draft).rules[0]?.id).toBe(proposal.id)
})
