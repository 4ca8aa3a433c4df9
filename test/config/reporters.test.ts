/**
 * reporters.test - the list of feedback loops is whole, and a broken one is refused with its place
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readReporters, reporterDomains } from '../../src/config/reporters.ts'

test.each([
  ['yahoo.com'],
  ['aol.com'],
  ['hotmail.com'],
  ['senderscore.net'],
  ['comcast.net'],
  ['fastmail.com'],
  ['mail.ru'],
  ['yandex.ru'],
  ['qq.com'],
  ['163.com'],
  ['zoho.com'],
  ['cox.net'],
  ['rackspace.com'],
])('%s is believed', (domain) => expect(reporterDomains(readReporters()).has(domain)).toBe(true))

test('no domain stands twice, and the operator adds in any case', () => {
  const all = readReporters().flatMap(({ domains }) => domains)
  expect(new Set(all).size).toBe(all.length)
  expect(reporterDomains(readReporters(), ['FBL.Example.NET']).has('fbl.example.net')).toBe(true)
})

const broken = [
  // toml                                                                                                     says
  ['[[reporter]]\nname = "x"', 'domains'],
  ['[[reporter]]\nname = "x"\ndomains = ["Not A Domain"]\ncovers = ["x"]\nsource = "https://example.com/"', 'lower case'],
  ['[[reporter]]\nname = "x"\ndomains = ["x.example"]\ncovers = ["x"]\nsource = "https://example.com/"\nextra = 1', 'extra'],
  ['not toml', 'reporters.toml'],
] as const
test.each(broken)('%j is refused', (text, says) => {
  const file = join(mkdtempSync(join(tmpdir(), 'bounced-reporters-')), 'reporters.toml')
  writeFileSync(file, text)
  expect(() => readReporters(file)).toThrow(says)
})
