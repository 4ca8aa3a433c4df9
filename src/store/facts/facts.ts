/**
 * facts - what has happened, appended and never changed
 *
 * Facts of lists lie in a table of their own, which retention never touches; for everyone above they are facts like all others. The
 * same fact in two wrappings has the same key (account, subject, month, dedup key).
 *
 * See also: ledger/facts/fact, store/facts/ledger-state (which appends with everything else), store/facts/rebuild (which reads them all).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import { seenKey } from '../../ledger/project/state.ts'
import type { Db, OnConflict, Reader } from '../engine/engine.ts'
import { EVENTS, LIST_EVENTS } from '../schema.ts'
import type { StoredFact } from '../schema.ts'
import { bytesOfUuid } from '../engine/mapping.ts'
import type { Row } from '../engine/value.ts'

/** A subject of an account: a deliveryId, or one of the other names in ledger/facts/fact. */
export type SubjectRef = { readonly account: number; readonly subject: string }

const isOfList = (subject: string): boolean => subject.startsWith('list:')

export function factOf(row: Row): Fact {
  // The checked door: `kind` and `data` were written together from a Fact.
  return EVENTS.decode(row) as Fact
}

/**
 * Appends facts. `refuse` (Fault conflict, and nothing is kept) is for facts decided from a loaded world; `ignore` for replays. Returns how
 * many were new.
 */
export async function appendFacts(db: Db, facts: readonly Fact[], onConflict: OnConflict = 'refuse'): Promise<number> {
  const stored: readonly StoredFact[] = facts
  const [events, lists] = await Promise.all([
    db.insertMany(
      EVENTS,
      stored.filter((fact) => !isOfList(fact.subject)),
      onConflict,
    ),
    db.insertMany(
      LIST_EVENTS,
      stored.filter((fact) => isOfList(fact.subject)),
      onConflict,
    ),
  ])
  return events + lists
}

/** All facts of these subjects, in the order of their ids. */
export async function factsOf(reader: Reader, subjects: readonly SubjectRef[]): Promise<readonly Fact[]> {
  const of = async (shape: typeof EVENTS, wanted: readonly SubjectRef[]): Promise<readonly Row[]> =>
    reader.inKeys(
      `select ${shape.columns('e')} from {keys} k cross join ${shape.table.name} e where e.account_id = k.k1 and e.subject = k.k2 order by e.id`,
      keysOf(wanted),
    )
  const [events, lists] = await Promise.all([
    of(
      EVENTS,
      subjects.filter(({ subject }) => !isOfList(subject)),
    ),
    of(
      LIST_EVENTS,
      subjects.filter(({ subject }) => isOfList(subject)),
    ),
  ])
  return [...events, ...lists].map(factOf)
}

/** Facts of deliveries and mails by their whole keys, in no order; what is not there is left out. */
export async function factsByKeyForOperator(
  reader: Reader,
  keys: readonly Pick<Fact, 'account' | 'subject' | 'deliveryMonth' | 'dedupKey'>[],
): Promise<readonly Fact[]> {
  const same = 'e.account_id = k.k1 and e.subject = k.k2 and e.delivery_month = k.k3 and e.dedup_key = k.k4'
  const rows = keys.map(({ account, subject, deliveryMonth, dedupKey }) => [account, subject, deliveryMonth, dedupKey])
  const sql = `select ${EVENTS.columns('e')} from {keys} k cross join events e where ${same}`
  return (await reader.inKeys(sql, { types: ['int', 'text', 'int', 'text'], rows })).map(factOf)
}

/** The `seen` keys of the facts of these subjects, those of lists left out: a list's change numbers come from its entry. */
export async function seenKeysOf(reader: Reader, subjects: readonly SubjectRef[]): Promise<readonly string[]> {
  const rows = await reader.inKeys(
    'select e.account_id, e.subject, e.delivery_month, e.dedup_key from {keys} k cross join events e where e.account_id = k.k1 and e.subject = k.k2',
    keysOf(subjects),
  )
  return rows.map((row) =>
    seenKey({
      account: Number(row['account_id']),
      subject: String(row['subject']),
      deliveryMonth: Number(row['delivery_month']),
      dedupKey: String(row['dedup_key']),
    }),
  )
}

/** What happened to one delivery, and what lists took of it, in the order in which it happened. */
export async function deliveryTimeline(reader: Reader, account: number, deliveryId: string): Promise<readonly Fact[]> {
  const sql = `select ${LIST_EVENTS.columns('e')} from list_events e where e.account_id = $1 and e.delivery_id = $2`
  const [facts, entries] = await Promise.all([factsOf(reader, [{ account, subject: deliveryId }]), reader.all(sql, [account, deliveryId])])
  return inTime([...facts, ...entries.map(factOf)])
}

/** The same by its emailId: with {@link findByEmailIds} beside it a mail and its story are one flight to the store. */
export async function timelineByEmailId(reader: Reader, account: number, emailId: string): Promise<readonly Fact[]> {
  const of = async (shape: typeof EVENTS, tie: string): Promise<readonly Row[]> =>
    reader.all(
      `select ${shape.columns('e')} from deliveries d cross join ${shape.table.name} e where d.account_id = $1 and d.email_id is not null
       and d.email_id = $2 and e.account_id = d.account_id and e.${tie} = d.delivery_id`,
      [account, emailId],
    )
  const [facts, entries] = await Promise.all([of(EVENTS, 'subject'), of(LIST_EVENTS, 'delivery_id')])
  return inTime([...facts, ...entries].map(factOf))
}

const inTime = (facts: readonly Fact[]): readonly Fact[] => facts.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))

/** Writes new data into facts that are there: for erasure alone. Returns how many were changed. */
export async function rewriteFacts(
  db: Db,
  account: number,
  facts: readonly Pick<Fact, 'id' | 'subject' | 'deliveryMonth' | 'dedupKey' | 'data'>[],
): Promise<number> {
  const counts = await Promise.all(
    facts.map(async (fact) =>
      db.run(
        `update ${isOfList(fact.subject) ? 'list_events' : 'events'} set data = $1
         where account_id = $2 and subject = $3 and delivery_month = $4 and dedup_key = $5 and id = $6`,
        [JSON.stringify(fact.data), account, fact.subject, fact.deliveryMonth, fact.dedupKey, bytesOfUuid(fact.id)],
      ),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

function keysOf(subjects: readonly SubjectRef[]) {
  return { types: ['int', 'text'], rows: subjects.map(({ account, subject }) => [account, subject]) } as const
}
