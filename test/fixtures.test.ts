/**
 * fixtures - every message in `fixtures/` gives the result in the JSON file beside it
 *
 * The files end lines with CRLF and contain no real addresses, and `SOURCES.md` names the source of each layout.
 * See also: mail/report-parser, classify/classify, fixtures/SOURCES.md.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { join } from 'node:path'
import { parse } from 'tldts'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { classify } from '../src/classify/classify.ts'
import { classifierInputOfReport } from '../src/classify/classifier-input.ts'
import { loadRules } from '../src/config/rule-files.ts'
import { parseReport } from '../src/mail/report-parser.ts'
import type { RecipientReport } from '../src/mail/report.ts'
import { selectEnhancedStatus } from '../src/mail/smtp/recipient-status.ts'
import { REPORT_KINDS } from './mail/messages.ts'

const ROOT = join(import.meta.dirname, '..', 'fixtures')

/** The expected result. A field is absent if more than one value is right. */
const Expected = z.strictObject({
  kind: z.enum(REPORT_KINDS),
  recipients: z
    .array(
      z.strictObject({
        recipient: z.string().nullable(),
        action: z.enum(['failed', 'delayed', 'delivered', 'relayed', 'expanded']),
        code: z.number().nullable(),
        status: z.string().nullable(),
        reason: z.string().optional(),
        permanence: z.enum(['permanent', 'temporary']).optional(),
        subStatus: z.number().optional(),
        weak: z.boolean().optional(),
      }),
    )
    .optional(),
  feedbackType: z.string().optional(),
})
type Row = NonNullable<z.infer<typeof Expected>['recipients']>[number]
type Fixture = { readonly name: string; readonly raw: Buffer; readonly want: z.infer<typeof Expected> }

function load(folder: string): readonly Fixture[] {
  return readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.eml'))
    .sort()
    .map((file) => ({
      name: `${folder}/${file}`,
      raw: readFileSync(join(ROOT, folder, file)),
      want: Expected.parse(JSON.parse(readFileSync(join(ROOT, folder, file.replace(/\.eml$/, '.json')), 'utf8'))),
    }))
}

const mails = load('mails')
const negatives = load('negatives')
const all = [...mails, ...negatives]
const table = loadRules()

/** A recipient in the form of the fixtures, with the verdict fields that `want` contains. */
function rowOf(of: RecipientReport, want: Row | undefined): Record<string, unknown> {
  const verdict: Record<string, unknown> = { ...classify(table, classifierInputOfReport(of)) }
  const expected = (['reason', 'permanence', 'subStatus', 'weak'] as const).filter((name) => want?.[name] !== undefined)
  return {
    recipient: of.recipient,
    action: of.action,
    code: of.reply.code,
    status: selectEnhancedStatus(of),
    ...Object.fromEntries(expected.map((name) => [name, verdict[name]])),
  }
}

test.each(all)('reads $name', ({ raw, want }) => {
  const report = parseReport(raw)
  const rows = want.recipients && { recipients: report.recipients.map((of, i) => rowOf(of, want.recipients?.[i])) }
  const type = want.feedbackType !== undefined && { feedbackType: report.complaint?.feedbackType }
  expect({ kind: report.kind, ...rows, ...type }).toEqual(want)
})

describe('the fixtures', () => {
  test('cover every kind', () => {
    expect(mails.length).toBeGreaterThanOrEqual(60)
    expect(negatives.length).toBeGreaterThanOrEqual(80)
    expect([...new Set(mails.map((one) => one.want.kind))].sort()).toEqual(Object.keys(REPORT_KINDS).sort())
    expect(negatives.filter((one) => ['bounce', 'delay', 'complaint', 'unsubscribe'].includes(one.want.kind))).toEqual([])
  })

  test('are listed in SOURCES.md, and no others are', () => {
    const listed = [...readFileSync(join(ROOT, 'SOURCES.md'), 'utf8').matchAll(/^\| ([\w.-]+) \| ([\w-]+) \|/gm)]
    const rows = listed.filter((row) => row[1] !== 'fixture').map((row) => `${row[1]} ${row[2]}`)
    expect(rows.sort()).toEqual(all.map((one) => `${one.name.replace(/^\w+\/|\.eml$/g, '')} ${one.want.kind}`).sort())
  })

  test.each(all)('$name ends its lines with CRLF', ({ raw }) => {
    expect(raw.toString('latin1').match(/(?<!\r)\n|\r(?!\n)/g)).toBeNull()
  })

  test.each(all)('$name contains no real addresses', ({ raw }) => {
    expect(realNamesIn(raw.toString('latin1'))).toEqual([])
  })
})

/** Reserved for examples and documentation: RFC 2606, 6761, 6762. */
const RESERVED = ['example.com', 'example.net', 'example.org']

/**
 * Providers whose hosts and links occur in reports: as MX hosts, as senders of notices, in their replies. Never the domain of a
 * recipient.
 */
const PROVIDERS = new Set(
  `google.com googlemail.com outlook.com exchangelabs.com microsoft.com office.com aka.ms live.com hotmail.com
   yahoo.com yahoodns.net yahooinc.com aol.com aol.net icloud.com spamhaus.org qq.com 163.com 126.com netease.com mxhichina.com aliyun.com
   sina.com.cn comcast.net xfinity.com gmx.net web.de orange.fr mail.ru yandex.ru yandex.net yandex.com amazonses.com amazon.com amazonaws.com
   senderscore.net ezweb.ne.jp docomo.ne.jp softbank.ne.jp`.split(/\s+/),
)

const isReserved = (domain: string | null): boolean => domain !== null && RESERVED.includes(domain)

/** A public registrable domain that is not reserved, an address at a provider that a person could own, or a public IPv4 address. */
function realNamesIn(text: string): readonly string[] {
  // Not a host: a local part, the file name of a report after `!`, a reply code before `-`.
  const plain = text.replaceAll(/(?<![\w.])[245]\d\d-/g, '')
  const hosts = [...plain.matchAll(/(?<![\w.!-])[a-z\d-]+(?:\.[a-z\d-]+)+(?![\w@-])/gi)].map((hit) => hit[0].toLowerCase())
  const domains = hosts.filter((host) => {
    const found = parse(host)
    return found.isIcann === true && found.domain !== null && !isReserved(found.domain) && !PROVIDERS.has(found.domain)
  })
  const recipients = [...text.matchAll(/^(?:Final|Original)-Recipient: *[\w-]+; *\S+@(\S+)/gim)]
    .map((hit) => hit[1] ?? '')
    .filter((domain) => PROVIDERS.has(parse(domain).domain ?? ''))
  const addresses = hosts.filter((host) => isIPv4(host) && !isDocumentation(host))
  return [...domains, ...recipients, ...addresses]
}

/** RFC 5737. */
function isDocumentation(ip: string): boolean {
  return ['192.0.2.', '198.51.100.', '203.0.113.'].some((net) => ip.startsWith(net))
}
