/**
 * rule-table.test - refused rule files, the order of rules, and listed rules
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { describe, expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { checkEvidence, compileRuleTable, classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import { listRules } from '../../src/classify/rule-listing.ts'
import { type RuleLayer, type ParsedRuleFile, readRuleFile } from '../../src/classify/rule-grammar.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { readRuleFolder, SHIPPED_RULES } from '../../src/config/rule-folder.ts'

const file = (toml: string, layer: RuleLayer = 'shipped'): ParsedRuleFile => readRuleFile({ file: 'test.toml', layer }, parse(toml))
const rule = (id: string, more: string): string =>
  `[[rule]]\nid = "${id}"\nhits = ["550 5.1.1 no such user"]\nmisses = ["550 5.2.2 mailbox full"]\n${more}\n`
const unknown = 'reason = "not-exist"\nsays = ["no such user"]'

describe('a rule file is refused', () => {
  const cases = [
    ['an unknown key', `provider = "x"\nnonsense = 1`, /Unrecognized key/],
    ['no provider', `mx = []`, /provider/],
    [
      'an unknown reason',
      `provider = "x"\n${rule('a', 'reason = "nope"\nsays = ["no such user"]')}`,
      /rule "a" reason: "nope" is not a reason/,
    ],
    ['an id in capitals', `provider = "x"\n${rule('Big', unknown)}`, /kebab-case/],
    ['no condition', `provider = "x"\n${rule('a', 'reason = "other"')}`, /rule "a" has no condition/],
    ['no hits', `provider = "x"\n[[rule]]\nid = "a"\n${unknown}\nhits = []\nmisses = ["x"]`, /rule "a" hits: is empty/],
    ['no misses', `provider = "x"\n[[rule]]\nid = "a"\n${unknown}\nhits = ["no such user"]\nmisses = []`, /rule "a" misses: is empty/],
    [
      'a phrase of one letter',
      `provider = "x"\n${rule('a', 'reason = "other"\nsays = ["no such user", "a * b"]')}`,
      /rule "a": the phrase .* one character/,
    ],
    ['a malformed status', `provider = "x"\n${rule('a', `${unknown}\nstatus = ["5.1"]`)}`, /not a status such as/],
    ['a malformed code', `provider = "x"\n${rule('a', `${unknown}\ncode = ["9xx"]`)}`, /rule "a" code/],
    ['an unknown backoff class', `provider = "x"\n${rule('a', `${unknown}\npause = "nap"`)}`, /rule "a" pause/],
    ['an unknown time zone', `provider = "x"\nzone = "Mars/Base"`, /not an IANA time zone/],
    [
      'a hit that it does not decide',
      `provider = "x"\n${rule('a', 'reason = "other"\nsays = ["something else"]')}`,
      /its hit .* is decided by "unmatched"/,
    ],
    [
      'a miss that it decides',
      `provider = "x"\n${rule('a', 'reason = "not-exist"\nsays = ["no such user", "mailbox full"]')}`,
      /it decides its miss/,
    ],
    ['a duplicate id', `provider = "x"\n${rule('a', unknown)}${rule('a', unknown)}`, /rule "a" is already in test.toml/],
    ['phrases in standard', `provider = "standard"\n${rule('a', unknown)}`, /put phrases into common/],
  ] as const

  test.each(cases)('%s', (_, toml, message) => {
    expect(() => compileRuleTable([file(toml)])).toThrow(
      expect.objectContaining({ code: 'rule_invalid', message: expect.stringMatching(message) }),
    )
  })

  test('a hit that an earlier rule decides, with the id of that rule', () => {
    const toml = `provider = "x"\n${rule('first', unknown)}${rule('second', unknown)}`
    expect(() => compileRuleTable([file(toml)])).toThrow(/rule "second": its hit "550 5.1.1 no such user" is decided by "first"/)
  })
})

describe('a folder of rule files', () => {
  const folders: string[] = []
  const folder = (files: Record<string, string>): string => {
    const path = mkdtempSync(join(tmpdir(), 'rules-'))
    folders.push(path)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
    return path
  }

  test('invalid TOML is refused with file and line', () => {
    expect(() => loadRules({ shipped: folder({ 'a.toml': 'provider = "x"\nmx = [' }) })).toThrow(/a\.toml:\d+: /)
  })

  test('a missing folder is refused', () => {
    expect(() => readRuleFolder('/nonexistent', 'operator')).toThrow(/the rule folder \/nonexistent does not exist/)
  })

  test("the operator's rules come first, and may contradict the shipped evidence", () => {
    const own = folder({
      'mine.toml': `provider = "common"\n${rule('mine-unknown', 'reason = "recipient-refused"\nsays = ["no such user"]')}`,
    })
    const table = loadRules({ own })
    expect(classify(table, classifierInputOfText('550 5.1.1 no such user')).rule).toBe('mine-unknown')
    expect(table.version).not.toBe(loadRules().version)
    for (const path of folders) rmSync(path, { recursive: true })
  })
})

describe('the shipped rules', () => {
  const files = readRuleFolder(SHIPPED_RULES, 'shipped')
  const table = compileRuleTable(files)

  test('every rule decides its hits and none of its misses', () => {
    expect(checkEvidence(table)).toEqual([])
  })

  test('the version depends on the content and not on the order of files', () => {
    expect(compileRuleTable(files.toReversed(), { evidence: 'skip' }).version).toBe(table.version)
    expect(compileRuleTable(files.slice(1), { evidence: 'skip' }).version).not.toBe(table.version)
  })

  test.each(files.map((each) => each.provider))('a table without %s still works', (provider) => {
    const rest = compileRuleTable(
      files.filter((each) => each.provider !== provider),
      { evidence: 'skip' },
    )
    expect(classify(rest, classifierInputOfText('550 5.1.1 no such user')).reason).toBe('not-exist')
  })

  test('are listed in the order in which they are tried', () => {
    const rows = listRules(table)
    expect(rows.length).toBe(table.rules.length)
    expect(rows.find((row) => row.id === 'common-greylisted')).toMatchObject({
      provider: 'common',
      reason: 'greylisted',
      fault: 'provider',
      deferral: true,
      asked: 'first',
      pause: 'greylist',
    })
    expect(rows.at(-1)?.asked).toBe('standard')
  })

  test('every enhanced status code of the IANA registry has a rule', () => {
    const subjects = [11, 5, 7, 8, 7, 11, 31].flatMap((count, at) => Array.from({ length: count }, (_, detail) => `${at + 1}.${detail}`))
    const missing = subjects.filter(
      (code) => !table.standardRules.some((each) => each.statuses?.some((matches) => matches(`5.${code}`)) === true),
    )
    expect(missing.filter((code) => !['2.5', '2.6', '2.7'].includes(code))).toEqual([])
  })
})
