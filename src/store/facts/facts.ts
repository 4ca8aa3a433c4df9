/**
 * facts - the facts: appended, and never changed but for an erasure
 *
 * List facts are in a table of their own, which retention never touches. Callers see no difference. The same event in two reports has the
 * same key (account, subject, month, dedup key).
 *
 * See also: ledger/facts/fact, store/facts/ledger-state (which appends them with everything else), store/facts/rebuild (which reads them
 * all).
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { toCurrentVersion } from '../../ledger/facts/earlier-version.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { LIST_NAMES } from '../../ledger/facts/list-facts.ts'
import { factKey } from '../../ledger/project/state.ts'
import type { Database, ConflictRule, DatabaseReader } from '../engine/engine.ts'
import { FACTS, LIST_FACTS } from '../schema.ts'
import type { StoredFact } from '../schema.ts'
import { uuidToBytes } from '../engine/mapping.ts'
import type { SqlRow } from '../engine/value.ts'

/** A subject of an account: a deliveryId, or one of the other subjects in ledger/facts/fact. */
export type SubjectRef = { readonly account: number; readonly subject: string }

const isListSubject = (subject: string): boolean => subject.startsWith('list:')

export function decodeFact(row: SqlRow): Fact {
  // Checked cast: `kind` and `data` were written together, from a Fact.
  return toCurrentVersion(FACTS.decode(row) as Fact)
}

/**
 * Appends facts. `refuse` (Fault conflict, and nothing is stored) is for facts that were decided from loaded state, `ignore` for replays.
 * Returns how many were new.
 */
export async function appendFacts(db: Database, facts: readonly Fact[], onConflict: ConflictRule = 'refuse'): Promise<number> {
  const stored: readonly StoredFact[] = facts
  const [events, lists] = await Promise.all([
    db.insertMany(
      FACTS,
      stored.filter((fact) => !isListSubject(fact.subject)),
      onConflict,
    ),
    db.insertMany(
      LIST_FACTS,
      stored.filter((fact) => isListSubject(fact.subject)),
      onConflict,
    ),
  ])
  return events + lists
}

/** Finds all facts of these subjects, in the order of their ids. */
export async function findFactsBySubject(reader: DatabaseReader, subjects: readonly SubjectRef[]): Promise<readonly Fact[]> {
  const readFrom = async (mapping: typeof FACTS, wanted: readonly SubjectRef[]): Promise<readonly SqlRow[]> =>
    reader.inKeys(
      `select ${mapping.columns('e')} from {keys} k cross join ${mapping.table.name} e where e.account_id = k.k1 and e.subject = k.k2
       and e.delivery_month = k.k3 order by e.id`,
      subjectKeys(wanted),
    )
  const [events, lists] = await Promise.all([
    readFrom(
      FACTS,
      subjects.filter(({ subject }) => !isListSubject(subject)),
    ),
    readFrom(
      LIST_FACTS,
      subjects.filter(({ subject }) => isListSubject(subject)),
    ),
  ])
  return [...events, ...lists].map(decodeFact)
}

/** Finds the facts of the entries of an address on every list, in the order of their ids. Their subjects begin with the list and the address. */
export async function findListFacts(
  reader: DatabaseReader,
  { account, addressHash }: { readonly account: number; readonly addressHash: string },
): Promise<readonly Fact[]> {
  const sql = `select ${LIST_FACTS.columns('e')} from {keys} k cross join list_events e where e.account_id = k.k1
    and e.subject >= k.k2 || ':' and e.subject < k.k2 || ';' order by e.id`
  const rows = LIST_NAMES.map((list) => [account, `list:${list}:${addressHash}`])
  return (await reader.inKeys(sql, { types: ['int', 'text'], rows })).map(decodeFact)
}

/** Finds facts of one table by their whole keys, in no order. Facts that do not exist are left out. */
export async function findFactsByKeyForOperator(
  reader: DatabaseReader,
  keys: readonly Pick<Fact, 'account' | 'subject' | 'deliveryMonth' | 'dedupKey'>[],
  mapping: typeof FACTS = FACTS,
): Promise<readonly Fact[]> {
  const joinCondition = 'e.account_id = k.k1 and e.subject = k.k2 and e.delivery_month = k.k3 and e.dedup_key = k.k4'
  const rows = keys.map(({ account, subject, deliveryMonth, dedupKey }) => [account, subject, deliveryMonth, dedupKey])
  const sql = `select ${mapping.columns('e')} from {keys} k cross join ${mapping.table.name} e where ${joinCondition}`
  return (await reader.inKeys(sql, { types: ['int', 'text', 'int', 'text'], rows })).map(decodeFact)
}

/** Finds the keys of the facts of these subjects. List facts are left out: their numbers come from the list entry. */
export async function findFactKeys(reader: DatabaseReader, subjects: readonly SubjectRef[]): Promise<readonly string[]> {
  const rows = await reader.inKeys(
    'select e.account_id, e.subject, e.delivery_month, e.dedup_key from {keys} k cross join events e where e.account_id = k.k1 and e.subject = k.k2 and e.delivery_month = k.k3',
    subjectKeys(subjects),
  )
  return rows.map((row) =>
    factKey({
      account: Number(row['account_id']),
      subject: String(row['subject']),
      deliveryMonth: Number(row['delivery_month']),
      dedupKey: String(row['dedup_key']),
    }),
  )
}

const selectByEmail = ({ table, columns }: typeof FACTS, join: string): string =>
  `select ${columns('e')} from deliveries d cross join ${table.name} e where d.account_id = $1 and d.email_id is not null
   and d.email_id = $2 and e.account_id = d.account_id and ${join}`
const FACTS_OF_EMAIL = selectByEmail(FACTS, 'e.subject = d.delivery_id and e.delivery_month = d.delivery_month')
const LIST_FACTS_OF_EMAIL = selectByEmail(LIST_FACTS, 'e.delivery_id = d.delivery_id')

/** The facts of one delivery and the list facts that it caused, by its emailId, in the order in which they happened. One round trip, which can run together with `findDeliveriesByEmailIds`. */
export async function readTimelineByEmailId(reader: DatabaseReader, account: number, emailId: string): Promise<readonly Fact[]> {
  const [facts, entries] = await Promise.all([
    reader.all(FACTS_OF_EMAIL, [account, emailId]),
    reader.all(LIST_FACTS_OF_EMAIL, [account, emailId]),
  ])
  return sortByTime([...facts, ...entries].map(decodeFact))
}

const sortByTime = (facts: readonly Fact[]): readonly Fact[] => facts.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))

/** Overwrites the data of facts, for an erasure only. Returns how many were changed. */
export async function overwriteFactData(
  db: Database,
  account: number,
  facts: readonly Pick<Fact, 'id' | 'subject' | 'deliveryMonth' | 'dedupKey' | 'data'>[],
): Promise<number> {
  const counts = await Promise.all(
    facts.map(async (fact) =>
      db.run(
        `update ${isListSubject(fact.subject) ? 'list_events' : 'events'} set data = $1
         where account_id = $2 and subject = $3 and delivery_month = $4 and dedup_key = $5 and id = $6`,
        [JSON.stringify(fact.data), account, fact.subject, fact.deliveryMonth, fact.dedupKey, uuidToBytes(fact.id)],
      ),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** The subject of a fact names its month: that of a delivery, or 0. */
function subjectKeys(subjects: readonly SubjectRef[]) {
  return {
    types: ['int', 'text', 'int'],
    rows: subjects.map(({ account, subject }) => [account, subject, monthOfDelivery(subject)]),
  } as const
}
