/**
 * explain - what mails say and why: parts → reply → rule and the words that matched → what it would change
 *
 * Needs no store and no daemon. `--ndjson` prints one JSON object a mail: file (base name), kind, recipients with action, code, status,
 * sub status, reason and rule.
 *
 * See also: commands/reading/explain-format (the form for people), import/mail-sources (files, folders, mbox, Maildir, standard input).
 */
import { basename } from 'node:path'
import type { Command } from 'commander'
import { classify } from '../../classify/classify.ts'
import { classifierInputOfReport } from '../../classify/classifier-input.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { loadRules } from '../../config/rule-files.ts'
import { readSources } from '../../import/mail-sources.ts'
import type { SourceMail } from '../../import/mail-sources.ts'
import { parseReport } from '../../mail/report.ts'
import type { RecipientReport, Report } from '../../mail/report.ts'
import type { DefineCommand } from '../command.ts'
import { loadConfigFor } from '../command.ts'
import { explainLines } from './explain-format.ts'
import { impliedStatus } from './implied-status.ts'
import { printLines } from '../output.ts'

/** One recipient of a report with what the rules make of it; a delivered one has no verdict. */
export type ExplainedRecipient = { readonly recipient: RecipientReport; readonly verdict: Verdict | null }

const CLASSIFIED_ACTIONS = new Set(['failed', 'delayed'])

export const explainCommand: DefineCommand = (command) => {
  command
    .argument('<path...>', '.eml files, folders, mbox files, Maildirs; - is standard input')
    .option('--ndjson', 'one JSON object a mail')
    .action(async (paths: string[], options: { ndjson?: true }, self: Command) => {
      const table = loadRules({ own: loadConfigFor(self).settings.rules.folder ?? null })
      const show = options.ndjson ? showJson : showPretty
      for await (const { name, raw } of nameSingleMails(readSources(paths, process.stdin))) {
        const report = parseReport(raw)
        await show(name, raw, report, explainReport(table, report))
      }
    })
}

/** The verdicts of a report without a store: no delivery is known, so the report alone names the provider. */
export function explainReport(table: RuleTable, report: Report): ExplainedRecipient[] {
  return report.recipients.map((recipient) => ({
    recipient,
    verdict: CLASSIFIED_ACTIONS.has(recipient.action) ? classify(table, classifierInputOfReport(recipient)) : null,
  }))
}

/** An mbox of one mail bears the name of its file alone. */
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

async function showJson(name: string, _raw: Uint8Array, report: Report, explained: readonly ExplainedRecipient[]): Promise<void> {
  const recipients = explained.map(({ recipient, verdict }) => {
    const implied = impliedStatus(recipient, verdict)
    return {
      recipient: recipient.recipient ?? recipient.originalRecipient,
      action: recipient.action,
      code: recipient.reply.code,
      status: implied.status,
      statusFrom: implied.from,
      subStatus: verdict?.subStatus ?? null,
      reason: verdict?.reason ?? null,
      permanence: verdict?.permanence ?? null,
      weak: verdict?.weak ?? null,
      rule: verdict?.rule ?? null,
    }
  })
  const line = `${JSON.stringify({ file: basename(name), kind: report.kind, format: report.format, recipients })}\n`
  if (!process.stdout.write(line)) await new Promise((resolve) => process.stdout.once('drain', resolve))
}

async function showPretty(name: string, raw: Uint8Array, report: Report, explained: readonly ExplainedRecipient[]): Promise<void> {
  printLines(...explainLines({ name, raw, report, explained }), '')
}
