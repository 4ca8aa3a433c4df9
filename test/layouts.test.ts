/**
 * layouts - reports in the layouts of many programs and languages, and mails that only resemble reports
 *
 * See also: fixtures/layouts.txt (the mails with their expectations), bench/weights (fits to them).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { classify } from '../src/classify/classify.ts'
import { classifierInputOfReport } from '../src/classify/classifier-input.ts'
import { loadRules } from '../src/config/rule-files.ts'
import { parseReport } from '../src/mail/report-parser.ts'
import { selectEnhancedStatus } from '../src/mail/smtp/recipient-status.ts'

const table = loadRules()
const blocks = readFileSync(join(import.meta.dirname, '../fixtures/layouts.txt'), 'utf8')
  .split(/^#### /m)
  .slice(1)
const mails = blocks.map((block) => {
  const [title = '', ...body] = block.split('\n')
  const [name = '', kinds = '', recipients = '', causes = '', status = ''] = title.split(';').map((part) => part.trim())
  return { name, kinds: kinds.split('|'), recipients, causes: causes.split('|'), status, raw: Buffer.from(body.join('\r\n')) }
})

test.each(mails)('reads $name', ({ kinds, recipients, causes, status, raw }) => {
  const report = parseReport(raw)
  const found = {
    kind: report.kind,
    recipients: report.recipients.map(({ recipient }) => recipient).join(','),
    causes: report.recipients.map((one) => String(classify(table, classifierInputOfReport(one)).subStatus % 10)),
    status: report.recipients.map(selectEnhancedStatus)[0] ?? '',
  }
  expect(found).toEqual({
    kind: kinds.find((kind) => kind === found.kind) ?? kinds[0],
    recipients: recipients === '' ? found.recipients : recipients,
    causes: causes[0] === '' ? found.causes : found.causes.map((cause) => (causes.includes(cause) ? cause : causes[0])),
    status: status === '' ? found.status : status,
  })
})

test('no name is used twice', () => {
  expect(new Set(mails.map(({ name }) => name)).size).toBe(mails.length)
})
