/**
 * months - a store with mail of several months, and what it answers
 */
import { NO_AUTHENTICATION_RESULTS } from '../../src/mail-auth/verify-signatures.ts'
import { rebuild } from '../../src/service/admin/rebuild.ts'
import type { Context } from '../../src/service/context.ts'
import { createReceiver } from '../../src/service/receive/receive.ts'
import { createRegister } from '../../src/service/submit/register.ts'
import type { Engine } from '../../src/store/engine/engine.ts'
import { PARTITIONED_TABLES } from '../../src/store/partitions/partitioned-tables.ts'
import { listPartitionMonths } from '../../src/store/partitions/partitions.ts'
import { makeIncomingMail, ndr } from './reports.ts'

export const MONTHS = [Date.UTC(2026, 8, 10, 12), Date.UTC(2026, 9, 20, 12), Date.UTC(2026, 10, 28, 12)] as const
export const [SEPTEMBER, , NOVEMBER] = MONTHS

export type Bench = { readonly engine: Engine; readonly context: Context; readonly clock: { now: number } }
export type Sent = { readonly returnPath: string; readonly recipient: string }

/** Registers three mails at a moment; an hour later the first bounces, and a stray report arrives. */
export async function sendMonth({ context, clock }: Bench, moment: number): Promise<readonly Sent[]> {
  clock.now = moment
  context.accountCache.invalidate()
  const recipients = [0, 1, 2].map((n) => ({ recipient: `r${n}.${moment}@example.org`, contactTypes: null }))
  const call = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {}, recipients } as const
  const made = await createRegister(context)({ account: 1, apiUser: 'one', ip: '203.0.113.5' }, call)
  const sent = made.recipients.map(({ returnPath, recipient }) => ({ returnPath, recipient: recipient ?? '' }))
  clock.now = moment + 3_600_000
  const [first] = sent
  if (first !== undefined) await bounce({ context, clock }, first)
  await receive({ context, clock }, 'x@bounce.example.com', ndr({ recipient: 'stray@example.net', n: moment }))
  return sent
}
const receive = ({ context, clock }: Pick<Bench, 'context' | 'clock'>, to: string, mail: string) =>
  createReceiver(context, { prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS), dryRun: false, notifyReplays: false }).submit(
    makeIncomingMail(mail, to, { at: clock.now, receivedAt: clock.now }),
  )
export const bounce = (b: Pick<Bench, 'context' | 'clock'>, { returnPath, recipient }: Sent) =>
  receive(b, returnPath, ndr({ token: returnPath.split('@')[0] ?? '', recipient, n: 1 }))

export const differencesOf = async (context: Context): Promise<readonly string[]> =>
  (await rebuild(context, { check: true, onProgress: () => undefined })).differences

export const countOf = async (engine: Engine, table: string): Promise<number> =>
  Number((await engine.read.one(`select count(*) as n from ${table}`))?.['n'])

/** The months with a partition, by table; null: the table is not partitioned. */
export const partitionsOf = async (engine: Engine): Promise<Readonly<Record<string, readonly number[] | null>>> =>
  Object.fromEntries(
    await Promise.all(PARTITIONED_TABLES.map(async (table) => [table.name, await listPartitionMonths(engine.read, table)] as const)),
  )
