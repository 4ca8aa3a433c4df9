/**
 * reporters.test - the shipped list of feedback loops is complete, and an invalid list is refused with the field
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
])('%s is a trusted reporter', (domain) => expect(reporterDomains(readReporters()).has(domain)).toBe(true))

test('lists each domain once, and accepts added domains in any letter case', () => {
  const all = readReporters().flatMap(({ domains }) => domains)
  expect(new Set(all).size).toBe(all.length)
  expect(reporterDomains(readReporters(), ['FBL.Example.NET']).has('fbl.example.net')).toBe(true)
})

const invalid = [
  // toml                                                                                                     message
  ['[[reporter]]\nname = "x"', 'domains'],
  ['[[reporter]]\nname = "x"\ndomains = ["Not A Domain"]\ncovers = ["x"]\nsource = "https://example.com/"', 'lower case'],
  ['[[reporter]]\nname = "x"\ndomains = ["x.example"]\ncovers = ["x"]\nsource = "https://example.com/"\nextra = 1', 'extra'],
  ['not toml', 'reporters.toml'],
] as const
test.each(invalid)('refuses %j', (text, message) => {
  const file = join(mkdtempSync(join(tmpdir(), 'bounced-reporters-')), 'reporters.toml')
  writeFileSync(file, text)
  expect(() => readReporters(file)).toThrow(message)
})
