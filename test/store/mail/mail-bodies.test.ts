/**
 * mail-bodies.test - bytes are stored once, exist exactly as long as something needs them, and an old store keeps its mails
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLedgerState } from '../../../src/ledger/project/state.ts'
import { compressSync } from '../../../src/store/engine/compression.ts'
import type { Database, DatabaseReader, Engine, TransactionOptions } from '../../../src/store/engine/engine.ts'
import { hexToBytes } from '../../../src/store/engine/mapping.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { scanBytesForOperator, removeRowsForOperator } from '../../../src/store/erasure/mentions.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { removeReceivedMailsForOperator } from '../../../src/store/facts/retention.ts'
import {
  findForwardedMail,
  FORWARDED_MAILS,
  insertForwardedMails,
  listForwardedMails,
  removeOldForwardedMailsForOperator,
} from '../../../src/store/mail/forwarded-mails.ts'
import {
  BODY_REFERENCES,
  MAIL_BODIES,
  measureMailBodiesForOperator,
  releaseMailBodies,
  saveMailBodies,
  type ReferencedBody,
} from '../../../src/store/mail/mail-bodies.ts'
import {
  findRawMailForOperator,
  RAW_MAILS,
  removeOldRawMailsForOperator,
  removeRawMailForOperator,
} from '../../../src/store/mail/raw-mail.ts'
import { MIGRATIONS } from '../../../src/store/migrations/migrations.ts'
import { engines } from '../../support/engines.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { hashOf, sampleReport, T0 } from '../sample.ts'

const bytesOf = (name: string): Buffer => Buffer.from(`Subject: ${name}\r\n\r\n${name.repeat(50)}\r\n`)
const contentOf = (name: string): string => hashOf(`content ${name}`)

type BodyReference = Omit<ReferencedBody, 'body'>

type Mail = {
  readonly kind: BodyReference['kind']
  readonly name: string
  readonly account: number
  readonly n: number
  readonly at: number
}

const digestOf = ({ kind, name, account, n }: Mail): string => hashOf(`${kind} ${name} ${account} ${n}`)

const referenceOf = (mail: Mail): BodyReference => ({
  content: contentOf(mail.name),
  kind: mail.kind,
  account: mail.account,
  digest: digestOf(mail),
  receivedAt: mail.at,
})

async function receive(db: Database, mails: readonly Mail[]): Promise<void> {
  const rowsOf = (kind: Mail['kind']) =>
    mails.filter((mail) => mail.kind === kind).map((mail) => ({ ...referenceOf(mail), body: bytesOf(mail.name) }))
  const reports = rowsOf('report')
  await saveLedgerState(db, createLedgerState(), {
    reports: reports.map(({ content, account, digest, receivedAt }) => sampleReport({ content, account, digest, receivedAt })),
    rawMails: reports,
  })
  const envelope = { truncated: false, mailFrom: 'a@example.org', rcptTo: 'b@in.example.com', peer: null }
  await insertForwardedMails(
    db,
    rowsOf('inbound').map((mail) => ({ ...mail, ...envelope, size: mail.body.length })),
  )
}

const count = async (engine: Engine, table: string): Promise<number> =>
  Number((await engine.read.one(`select count(*) as n from ${table}`))?.['n'])

const keysOf = (references: readonly BodyReference[]): readonly string[] =>
  references.map(({ content, kind, account, digest }) => [content, kind, account, digest].join(' ')).toSorted()

/** The references and the bytes as the tables hold them. */
async function stored(engine: Engine): Promise<{ readonly references: readonly string[]; readonly contents: readonly string[] }> {
  const references = (await engine.read.all(`select ${BODY_REFERENCES.columns('f')} from mail_body_references f`)).map(
    BODY_REFERENCES.decode,
  )
  const bodies = (await engine.read.all(`select ${MAIL_BODIES.columns('b')} from mail_bodies b`)).map(MAIL_BODIES.decode)
  return { references: keysOf(references), contents: bodies.map(({ content }) => content).toSorted() }
}

const wanted = (mails: readonly Mail[]): Awaited<ReturnType<typeof stored>> => ({
  references: keysOf(mails.map(referenceOf)),
  contents: [...new Set(mails.map(({ name }) => contentOf(name)))].toSorted(),
})

/** A change of the store, and what it does to the mails that are kept. `db` null: only the second. */
type Step = {
  readonly run: (db: Database, kept: readonly Mail[]) => Promise<unknown>
  readonly keep: (kept: readonly Mail[]) => readonly Mail[]
}

const nameOf = fc.constantFrom('x', 'y', 'z')
const mailOf: fc.Arbitrary<Mail> = fc.record({
  kind: fc.constantFrom('report', 'inbound'),
  name: nameOf,
  account: fc.constantFrom(1, 2),
  n: fc.constantFrom(0, 1),
  at: fc.constantFrom(T0, T0 + 1, T0 + 2),
})
const isSame =
  (a: Mail) =>
  (b: Mail): boolean =>
    digestOf(a) === digestOf(b)
const pick = (kept: readonly Mail[], n: number): Mail | undefined => kept[n % Math.max(1, kept.length)]

const receiving = fc.uniqueArray(mailOf, { maxLength: 5, selector: digestOf }).map((mails): Step => ({
  run: (db, kept) =>
    receive(
      db,
      mails.filter((mail) => !kept.some(isSame(mail))),
    ),
  keep: (kept) => [...kept, ...mails.filter((mail) => !kept.some(isSame(mail)))],
}))
const erasingBytes = nameOf.map((name): Step => ({
  run: (db) => removeRowsForOperator(db, MAIL_BODIES.table, [[hexToBytes(contentOf(name))]]),
  keep: (kept) => kept.filter((mail) => mail.name !== name),
}))
const erasingOne = fc.nat(20).map((n): Step => ({
  run: async (db, kept) => {
    const mail = pick(kept, n)
    if (mail?.kind === 'report') await removeRawMailForOperator(db, digestOf(mail))
    if (mail?.kind === 'inbound') await removeRowsForOperator(db, FORWARDED_MAILS.table, [[mail.account, hexToBytes(digestOf(mail))]])
  },
  keep: (kept) => kept.filter((mail) => mail !== pick(kept, n)),
}))
const expiring = fc.tuple(fc.constantFrom('report', 'inbound'), fc.constantFrom(T0 + 1, T0 + 2, T0 + 3)).map(([kind, before]): Step => ({
  run: (db) => (kind === 'report' ? removeOldRawMailsForOperator : removeOldForwardedMailsForOperator)(db, before, 100),
  keep: (kept) => kept.filter((mail) => mail.kind !== kind || mail.at >= before),
}))
const retiring = fc.nat(20).map((n): Step => ({
  run: async (db, kept) => {
    const mail = pick(kept, n)
    if (mail?.kind === 'report')
      await removeReceivedMailsForOperator(db, [{ digest: digestOf(mail), account: mail.account, receivedAt: mail.at }])
  },
  keep: (kept) => kept.filter((mail) => mail.kind !== 'report' || mail !== pick(kept, n)),
}))
/** A crash before the commit. */
const failing = fc.uniqueArray(mailOf, { minLength: 1, maxLength: 3, selector: digestOf }).map((mails): Step => ({
  run: async (db, kept) => {
    await receive(
      db,
      mails.filter((mail) => !kept.some(isSame(mail))),
    )
    throw new Error('crash')
  },
  keep: (kept) => kept,
}))

describe.each(engines)('$kind', ({ kind, open }) => {
  test('bytes exist exactly while a reference exists, after any sequence of receiving, erasing and expiring', async () => {
    const { engine } = await open()
    const steps = fc.array(fc.oneof({ weight: 3, arbitrary: receiving }, erasingBytes, erasingOne, expiring, retiring, failing), {
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        for (const table of ['mail_bodies', 'mail_body_references', 'reports', 'report_digests', 'route_mails'])
          await engine.tx((db) => db.run(`delete from ${table}`))
        let kept: readonly Mail[] = []
        for (const { run, keep } of all) {
          await engine.tx((db) => run(db, kept)).catch((error: unknown) => (String(error).includes('crash') ? null : Promise.reject(error)))
          kept = keep(kept)
          await engine.tx(async (db) => [await db.run(ORPHANED_REPORTS), await db.run(ORPHANED_DIGESTS)])
          expect(await stored(engine)).toEqual(wanted(kept))
        }
        for (const mail of kept) {
          const found =
            mail.kind === 'report'
              ? await findRawMailForOperator(engine.read, digestOf(mail))
              : (await findForwardedMail(engine.read, mail.account, digestOf(mail)))?.body
          expect(found).toEqual(bytesOf(mail.name))
        }
      }),
      { numRuns: propertyRuns(kind === 'sqlite' ? 60 : 20, 500) },
    )
  })

  test('a hundred references share one body', async () => {
    const { engine } = await open()
    const mails = Array.from({ length: 100 }, (_, n): Mail => ({ kind: 'report', name: 'x', account: 1, n, at: T0 }))
    await engine.tx((db) => receive(db, mails))
    const { mails: different, bytes } = await measureMailBodiesForOperator(engine.read)
    expect([different, await count(engine, 'mail_body_references')]).toEqual([1, 100])
    expect(bytes).toBeGreaterThan(0)
  })

  test.runIf(kind === 'sqlite')('the sum of the lengths is read from an index, not from the bytes', async () => {
    const { engine } = await open()
    const plans: unknown[] = []
    const one: DatabaseReader['one'] = async (sql) => {
      plans.push(...(await engine.read.all(`explain query plan ${sql}`)).map(({ detail }) => detail))
      return null
    }
    await measureMailBodiesForOperator({ ...engine.read, one })
    expect(plans).toEqual(['SCAN b USING COVERING INDEX mail_bodies_by_length'])
  })
})

/** Reports whose reference is gone, so that a later step can receive the same mail again. */
const ORPHANED_REPORTS = `delete from reports where not exists (select 1 from mail_body_references f
  where f.content = reports.content and f.kind = 'report' and f.account_id = reports.account_id and f.digest = reports.digest)`
const ORPHANED_DIGESTS = 'delete from report_digests where digest not in (select digest from reports)'

describe.each(engines.filter(({ kind }) => kind === 'postgres'))('two nodes on $kind', ({ open }) => {
  async function twoNodes(): Promise<readonly [Engine, Engine]> {
    const { engine, url } = await open()
    return [engine, await openEngine(url)]
  }
  const old: Mail = { kind: 'report', name: 'x', account: 1, n: 0, at: T0 }
  const added: Mail = { kind: 'inbound', name: 'x', account: 2, n: 1, at: T0 }

  test.each([
    ['a snapshot', {}],
    ['the latest state', { visibility: 'latest' }],
    ['a lock', { lockName: 'retire' }],
  ] as [string, TransactionOptions][])(
    'the last reference is removed in %s while another one is added: the bytes stay',
    async (_, options) => {
      const [one, two] = await twoNodes()
      await one.tx((db) => receive(db, [old]))
      let runs = 0
      await one.tx(async (db) => {
        // The snapshot is taken before the other node commits.
        await db.one('select count(*) as n from mail_bodies')
        if (runs++ === 0) await two.tx((other) => receive(other, [added]))
        await releaseMailBodies(db, [referenceOf(old)])
      }, options)
      expect(await stored(one)).toEqual(wanted([added]))
      await two.close()
    },
  )

  test('the bytes are removed while another reference is added: they are there again', async () => {
    const [one, two] = await twoNodes()
    await one.tx((db) => receive(db, [old]))
    let runs = 0
    await two.tx(async (db) => {
      await db.one('select count(*) as n from mail_bodies')
      if (runs++ === 0) await one.tx((other) => releaseMailBodies(other, [referenceOf(old)]))
      await receive(db, [added])
    })
    expect(await stored(one)).toEqual(wanted([added]))
    await two.close()
  })

  test('the same bytes, committed by both nodes at once, are stored once', async () => {
    const nodes = await twoNodes()
    const mails = Array.from({ length: 12 }, (_, n): Mail => ({ kind: 'report', name: 'x', account: 1, n, at: T0 }))
    const save = (engine: Engine, mail: Mail): Promise<void> => engine.tx((db) => receive(db, [mail]))
    for (let at = 0; at < mails.length; at += 4)
      await Promise.all(mails.slice(at, at + 4).map((mail, n) => save(nodes[n % 2] ?? nodes[0], mail)))
    expect(await stored(nodes[0])).toEqual(wanted(mails))
    await nodes[1].close()
  })

  test('two nodes that add and remove at once leave no bytes without a reference, and no reference without bytes', async () => {
    const nodes = await twoNodes()
    for (let round = 0; round < 15; round++) {
      const before: Mail = { ...old, n: round * 2 }
      const after: Mail = { ...old, n: round * 2 + 1 }
      await nodes[0].tx((db) => receive(db, [before]))
      await Promise.all([
        nodes[0].tx((db) => releaseMailBodies(db, [referenceOf(before)])),
        nodes[1].tx((db) => saveMailBodies(db, [{ ...referenceOf(after), body: bytesOf('x') }])),
      ])
      expect(await stored(nodes[0])).toEqual(wanted([after]))
      await nodes[0].tx((db) => releaseMailBodies(db, [referenceOf(after)]))
      expect(await stored(nodes[1])).toEqual(wanted([]))
    }
    await nodes[1].close()
  })
})

describe.each(engines)('a store of version 0.1 on $kind', ({ open }) => {
  const OLD = [0, 1, 2, 3].map((n) => ({ digest: hashOf(`old ${n}`), at: T0 + n, body: bytesOf(`old ${n}`) }))

  /** A store with the released schema, filled as version 0.1 did, and then migrated. */
  async function upgraded(): Promise<Engine> {
    const { engine } = await open({ empty: true })
    await migrate(
      engine,
      T0,
      MIGRATIONS.filter(({ version }) => version <= 14),
    )
    await engine.tx(async (db) => {
      for (const { digest, at, body } of OLD) {
        const key = hexToBytes(digest)
        const packed = compressSync(body)
        await db.run(
          `insert into reports (digest, account_id, received_at, kind, size, truncated, mail_from, rcpt_to, source, session_id)
           values ($1, 1, $2, 'bounce', $3, 0, '', 'x@bounce.example.com', 'smtp', 's')`,
          [key, at, body.length],
        )
        await db.run('insert into raw_mails (received_at, digest, size, body) values ($1, $2, $3, $4)', [at, key, body.length, packed])
        await db.run(
          `insert into route_mails (account_id, digest, received_at, size, truncated, mail_from, rcpt_to, body)
           values (2, $1, $2, $3, 0, 'a@example.org', 'b@in.example.com', $4)`,
          [key, at, body.length, packed],
        )
      }
    })
    await migrate(engine, T0)
    return engine
  }

  test('its mails are read from where they are, and nothing is copied', async () => {
    const engine = await upgraded()
    for (const { digest, body } of OLD) {
      expect(await findRawMailForOperator(engine.read, digest)).toEqual(body)
      expect((await findForwardedMail(engine.read, 2, digest))?.body).toEqual(body)
    }
    expect((await listForwardedMails(engine.read, 2, { limit: 10, after: null })).length).toBe(4)
    expect([await count(engine, 'mail_bodies'), await count(engine, 'raw_mails')]).toEqual([0, 4])
  })

  test('its mails expire and are erased as before, beside new ones', async () => {
    const engine = await upgraded()
    const fresh: Mail = { kind: 'report', name: 'x', account: 1, n: 0, at: T0 }
    const inbound: Mail = { kind: 'inbound', name: 'x', account: 2, n: 0, at: T0 }
    await engine.tx((db) => receive(db, [fresh, inbound]))
    // Three are due, two of them old: the limit covers both layouts.
    expect(await engine.tx((db) => removeOldRawMailsForOperator(db, T0 + 2, 2))).toBe(2)
    expect(await engine.tx((db) => removeOldRawMailsForOperator(db, T0 + 2, 2))).toBe(1)
    expect(await engine.tx((db) => removeOldForwardedMailsForOperator(db, T0 + 2, 10))).toBe(3)
    expect(await engine.tx((db) => removeRawMailForOperator(db, OLD[2]?.digest ?? ''))).toBe(true)
    expect(await findRawMailForOperator(engine.read, OLD[2]?.digest ?? '')).toBeNull()
    expect(await findRawMailForOperator(engine.read, OLD[3]?.digest ?? '')).toEqual(OLD[3]?.body)
    const retired = { digest: OLD[3]?.digest ?? '', account: 1, receivedAt: T0 + 3 }
    await engine.tx((db) => removeReceivedMailsForOperator(db, [retired]))
    const { rows } = await scanBytesForOperator(engine.read, RAW_MAILS.table, 'body', { after: null, limit: 10 })
    expect([rows.length, await count(engine, 'mail_bodies'), await count(engine, 'route_mails')]).toEqual([0, 0, 2])
  })
})
