/**
 * reporters.test - the shipped list of feedback loops believes no mailbox domain, and an invalid list is refused with the field
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isMailboxDomain } from '../../src/config/mailbox-domains.ts'
import { createReporters, readReporters } from '../../src/config/reporters.ts'
import { findSigningReporter } from '../../src/correlate/reporter.ts'

const shipped = readReporters()

test.each([
  // From                                         d=                      reporter
  ['feedback@arf.mail.yahoo.com', 'arf.mail.yahoo.com', 'Yahoo'],
  ['Feedback@ARF.mail.yahoo.com', 'ARF.MAIL.YAHOO.COM', 'Yahoo'],
  ['mallory@yahoo.com', 'yahoo.com', null],
  ['feedback@arf.mail.yahoo.com', 'yahoo.com', null],
  ['mallory@arf.mail.yahoo.com', 'arf.mail.yahoo.com', null],
  ['feedbackloop@comcastfbl.senderscore.net', 'senderscore.net', 'Validity'],
  ['feedbackloop@yandexfbl.senderscore.net', 'senderscore.net', 'Validity'],
  ['feedbackloop@senderscore.net', 'senderscore.net', null],
  ['feedbackloop@.senderscore.net', 'senderscore.net', null],
  ['x-feedbackloop@comcastfbl.senderscore.net', 'senderscore.net', null],
  ['feedbackloop@comcastfbl.senderscore.net', 'evil.senderscore.net', null],
  ['staff@hotmail.com', 'hotmail.com', null],
  ['scomp@aol.net', 'aol.net', null],
  [null, 'arf.mail.yahoo.com', null],
])('From %s signed by %s is the reporter %s', (from, domain, name) => {
  expect(findSigningReporter(shipped, from, domain)?.name ?? null).toBe(name)
})

test.each(['outlook.com', 'qq.com', 'gmx.de', 'mail.ru', 'yahoo.com', '163.com', 'aol.com', 'comcast.net', 'fastmail.com', 'yandex.ru'])(
  'a mailbox at %s reports nothing',
  (domain) => expect(findSigningReporter(shipped, `mallory@${domain}`, domain)).toBeNull(),
)

test('no loop is believed by a mailbox domain alone', () => {
  const open = shipped.filter(({ from, domains }) => from.length === 0 && domains.some(isMailboxDomain))
  expect(open).toEqual([])
})

test.each([
  // the operator's own                     From                     d=                 counts
  ['fbl.example.net', 'any@fbl.example.net', 'fbl.example.net', true],
  ['fbl.example.net', 'any@fbl.example.net', 'sub.fbl.example.net', false],
  ['FBL@loop.example.net', 'fbl@loop.example.net', 'loop.example.net', true],
  ['fbl@loop.example.net', 'joe@loop.example.net', 'loop.example.net', false],
  ['fbl@loop.example.net/example.net', 'fbl@loop.example.net', 'example.net', true],
  ['fbl@loop.example.net/example.net', 'fbl@loop.example.net', 'loop.example.net', false],
  ['fbl@*.example.net', 'fbl@a.b.example.net', 'example.net', true],
])('%s: From %s, signed by %s: %s', (own, from, domain, counts) => {
  expect(findSigningReporter(createReporters([], [own]), from, domain) !== null).toBe(counts)
})

const ENTRY = 'covers = ["x"]\nsource = "https://example.com/"\nsample = "2026-01-01"\n'
const invalid = [
  // toml                                                                                message
  ['[[reporter]]\nname = "x"', 'covers'],
  [`[[reporter]]\nname = "x"\n${ENTRY}`, 'has its d='],
  [`[[reporter]]\nname = "x"\nsigns = false\ndomains = ["x.example"]\n${ENTRY}`, 'has none'],
  [`[[reporter]]\nname = "x"\ndomains = ["Not A Domain"]\n${ENTRY}`, 'domain in lower case'],
  [`[[reporter]]\nname = "x"\ndomains = ["x.example"]\nfrom = ["Not An Address"]\n${ENTRY}`, 'address in lower case'],
  [`[[reporter]]\nname = "x"\ndomains = ["qq.com"]\n${ENTRY}`, 'needs a From address'],
  [`[[reporter]]\nname = "x"\ndomains = ["x.example"]\nextra = 1\n${ENTRY}`, 'extra'],
  ['not toml', 'reporters.toml'],
] as const
test.each(invalid)('refuses %j', (text, message) => {
  const file = join(mkdtempSync(join(tmpdir(), 'bounced-reporters-')), 'reporters.toml')
  writeFileSync(file, text)
  expect(() => readReporters(file)).toThrow(message)
})
