/**
 * tls-reports - prints the TLS reports about the domains of this installation
 *
 * See also: store/facts/tls-reports, http/api/installation/tls-reports, docs/RECEIVING.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { listTlsReportsForOperator } from '../../store/facts/tls-reports.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { toSingleLine } from '../output.ts'
import { tlsReportLines } from './tls-report-format.ts'

const MAX_SHOWN = 1_000

const input = z.object({ limit: z.coerce.number().int().min(1).max(MAX_SHOWN) })

const listCommand = defineStoreCommand('tls-reports', input, async ({ context: { engine } }, { limit }, output) => {
  const facts = await listTlsReportsForOperator(engine.read, { limit, after: null })
  for (const fact of facts) await output.printLines(...reportLines(fact))
  await output.printLines(`${facts.length} TLS reports`)
})

export const TLS_REPORT_COMMANDS = [listCommand] as const

export const tlsReportsCommand: DefineCommand = (command) => {
  command
    .option('--limit <number>', `at most so many, up to ${MAX_SHOWN}; those about the latest period first`, '20')
    .action(({ limit }: { limit: string }, self: Command) => runStoreCommand(self, listCommand, { limit }))
}

function reportLines({ data, receivedAt }: FactOf<'tls-report'>): readonly string[] {
  const { submitter, domain, signedBy, isOwnDomain, reportId, digest } = data
  const heading = `${toSingleLine(submitter ?? '?')} about ${toSingleLine(domain ?? '?')}${isOwnDomain ? '' : ' (not a domain of ours)'}`
  const proof = signedBy === null ? 'not signed: anybody could have sent it' : `signed by ${toSingleLine(signedBy)}`
  const identity = `report ${toSingleLine(reportId)}, received ${new Date(receivedAt).toISOString()}, mail ${digest}`
  return [heading, ...[proof, ...tlsReportLines(data), identity].map((line) => `  ${line}`)]
}
