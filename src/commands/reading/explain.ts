/**
 * explain - shows what mails report and why: MIME parts, reply, rule with the words that matched, and the change
 *
 * Needs no store and no daemon. `--ndjson` prints one JSON object per mail: file (base name), kind, recipients with action, code, status,
 * sub status, reason and rule.
 *
 * See also: commands/reading/explain-format (the format for people), import/mail-sources (files, folders, mbox, Maildir, standard input).
 */
import { basename } from 'node:path'
import type { Command } from 'commander'
import { loadRules } from '../../config/rule-files.ts'
import { readSources } from '../../import/mail-sources.ts'
import type { SourceMail } from '../../import/mail-sources.ts'
import { parseReport } from '../../mail/report-parser.ts'
import type { DefineCommand } from '../command.ts'
import { loadConfigFor } from '../command.ts'
import { explainLines } from './explain-format.ts'
import { type Classification, classifyReport } from '../../correlate/classification.ts'
import { explainReport } from '../../correlate/explained-report.ts'
import { printLines } from '../output.ts'

export const explainCommand: DefineCommand = (command) => {
  command
    .argument('<path...>', '.eml files, folders, mbox files, Maildirs; - is standard input')
    .option('--ndjson', 'one JSON object per mail')
    .option(
      '--own-domain <domain>',
      'a Return-Path or feedback domain beside those of the settings (repeatable): a bounce of mail to it is filed',
      (domain: string, domains: readonly string[]) => [...domains, domain],
      [],
    )
    .action(async (paths: string[], options: { ndjson?: true; ownDomain: readonly string[] }, self: Command) => {
      const { settings } = loadConfigFor(self)
      const table = loadRules({ own: settings.rules.folder ?? null })
      const ownDomains = [...options.ownDomain, settings.returnPathDomain, settings.feedbackDomain]
      for await (const { name, raw } of nameSingleMails(readSources(paths, process.stdin))) {
        const report = parseReport(raw)
        if (options.ndjson) await showJson(name, classifyReport(table, report))
        else printLines(...explainLines({ name, raw, report, explained: explainReport(table, report, ownDomains) }), '')
      }
    })
}

/** Names the only mail of an mbox by its file, without a number. */
async function* nameSingleMails(mails: AsyncIterable<SourceMail>): AsyncGenerator<SourceMail> {
  let previous: SourceMail | null = null
  for await (const mail of mails) {
    if (previous) yield mail.name.endsWith('#2') ? previous : withoutMboxNumber(previous)
    previous = mail
  }
  if (previous) yield withoutMboxNumber(previous)
}

function withoutMboxNumber(mail: SourceMail): SourceMail {
  return mail.name.endsWith('#1') ? { ...mail, name: mail.name.slice(0, -2) } : mail
}

async function showJson(name: string, classification: Classification): Promise<void> {
  const line = `${JSON.stringify({ file: basename(name), ...classification })}\n`
  if (!process.stdout.write(line)) await new Promise((resolve) => process.stdout.once('drain', resolve))
}
