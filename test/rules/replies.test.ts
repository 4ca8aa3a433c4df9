/**
 * replies.test - replies in the words of many servers and languages mean what they say
 *
 * See also: fixtures/replies.tsv (the replies with their expectations).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import { loadRules } from '../../src/config/rule-files.ts'

const table = loadRules()
const rows = readFileSync(join(import.meta.dirname, '../../fixtures/replies.tsv'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t'))

test.each(rows)('%s  %s', (want = '', text = '', host = '') => {
  const hints = host === '' ? [] : [{ source: 'remote-mta', value: host } as const]
  const { subStatus, permanence } = classify(table, { ...classifierInputOfText(text), hints })
  const digits = want.replace(/[pt]$/, '').split('|')
  const permanences = want.endsWith('p') ? ['permanent'] : want.endsWith('t') ? ['temporary'] : [permanence]
  expect([String(subStatus % 10), permanence]).toEqual([expect.toBeOneOf(digits), expect.toBeOneOf(permanences)])
})
