/**
 * read - mails parsed and classified in a CPU second, beside mailparser, which only parses
 */
import { simpleParser } from 'mailparser'
import { classify } from '../src/classify/classify.ts'
import { classifierInputOfReport } from '../src/classify/classifier-input.ts'
import { loadRules } from '../src/config/rule-files.ts'
import { parseReport } from '../src/mail/report-parser.ts'
import type { Figure } from './figure.ts'
import { loadMails, mailFolders } from './mails.ts'

/** Mails a second of Sisimai Perl 5.1 on the machine on which the target was set. */
const SISIMAI_PERL = 410
const SKIPS = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true } as const

export async function read(): Promise<readonly Figure[]> {
  const mails = loadMails()
  const table = loadRules()
  const ours = await mailsASecond(mails, (mail) => {
    const report = parseReport(mail)
    for (const recipient of report.recipients) {
      classify(table, classifierInputOfReport(recipient))
    }
  })
  const theirs = await mailsASecond(mails, async (mail) => {
    await simpleParser(mail, SKIPS).catch(() => null)
  })
  const of = mailFolders().length > 1 ? 'corpus' : 'fixture'
  return [
    {
      figure: `${of} mails read and classified, one core`,
      value: ours,
      unit: 'mails/CPU s',
      beside: 'mailparser',
      ratio: ours / theirs,
      target: '>= 4',
    },
    {
      figure: `${of} mails read and classified, one core`,
      value: ours,
      unit: 'mails/CPU s',
      beside: 'Sisimai Perl (410/s)',
      ratio: ours / SISIMAI_PERL,
      target: '>= 20',
    },
    { figure: `${of} mails parsed by mailparser`, value: theirs, unit: 'mails/CPU s' },
  ]
}

/** Warm-up rounds, until V8 has compiled the code, and measured rounds: the same for both programs. */
const WARM_ROUNDS = 8
const COUNTED_ROUNDS = 3

/** The best measured round by the CPU time of the process. */
async function mailsASecond(mails: readonly Buffer[], work: (mail: Buffer) => void | Promise<void>): Promise<number> {
  let best = 0
  for (let round = 0; round < WARM_ROUNDS + COUNTED_ROUNDS; round++) {
    const before = process.cpuUsage()
    for (const mail of mails) {
      const pending = work(mail)
      if (pending !== undefined) await pending
    }
    const { user, system } = process.cpuUsage(before)
    if (round >= WARM_ROUNDS) best = Math.max(best, (mails.length * 1e6) / (user + system))
  }
  return best
}
