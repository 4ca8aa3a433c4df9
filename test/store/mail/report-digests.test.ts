/** report-digests.test - a report is known by its digest, whichever version stored it */
import { describe, expect, test } from 'vitest'
import { migrate } from '../../../src/store/engine/migrate.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findKnownDigestsForOperator, listReportDigestsForOperator } from '../../../src/store/mail/report-digests.ts'
import { findReportForOperator, insertReports, REPORTS } from '../../../src/store/mail/reports.ts'
import { partitionTable } from '../../../src/store/partitions/conversion.ts'
import { partitionedTable } from '../../../src/store/partitions/partitioned-tables.ts'
import { MIGRATIONS } from '../../../src/store/migrations/migrations.ts'
import { REPORT_DIGESTS_STEP } from '../../../src/store/migrations/report-digests.ts'
import { engines } from '../../support/engines.ts'
import { hashOf, sampleReport, T0 } from '../sample.ts'

const OLDER = MIGRATIONS.filter(({ version }) => version < REPORT_DIGESTS_STEP.version)
const [STORED, LATER, OURS] = [
  sampleReport({ digest: hashOf('stored'), receivedAt: T0 }),
  sampleReport({ digest: hashOf('later'), receivedAt: T0 + 1 }),
  sampleReport({ digest: hashOf('ours'), receivedAt: T0 + 2 }),
]
const digests = [STORED, LATER, OURS].map(({ digest }) => digest)

/** As a node of the version before stores a report. */
const storeAsOlder = (engine: Engine, row: typeof STORED): Promise<number> => engine.tx((db) => db.insertMany(REPORTS, [row]))
const known = async (engine: Engine): Promise<readonly string[]> =>
  [...(await findKnownDigestsForOperator(engine.read, digests))].toSorted()

describe.each(engines)('report digests: $kind', ({ open, kind }) => {
  test('the upgrade knows the reports that are stored, and their times', async () => {
    const { engine } = await open({ empty: true })
    await migrate(engine, T0, OLDER)
    await storeAsOlder(engine, STORED)
    await migrate(engine, T0)
    expect(await known(engine)).toEqual([STORED.digest])
    expect(await findReportForOperator(engine.read, STORED.digest)).toEqual(STORED)
    await expect(engine.tx((db) => insertReports(db, [STORED]))).rejects.toMatchObject({ code: 'conflict' })
    const range = { from: 0, to: T0 + 1, limit: 5 }
    expect(await listReportDigestsForOperator(engine.read, range)).toEqual([{ digest: STORED.digest, receivedAt: T0 }])
  })

  test.runIf(kind === 'postgres')('a report that an older node stores beside newer ones is known to both', async () => {
    const { engine } = await open({ empty: true })
    await migrate(engine, T0, OLDER)
    await migrate(engine, T0)
    await storeAsOlder(engine, LATER)
    await engine.tx((db) => insertReports(db, [OURS]))
    expect(await known(engine)).toEqual([LATER.digest, OURS.digest].toSorted())
    await expect(engine.tx((db) => insertReports(db, [LATER]))).rejects.toMatchObject({ code: 'conflict' })
    await expect(storeAsOlder(engine, OURS)).rejects.toMatchObject({ code: 'conflict' })
    await partitionTable(engine, partitionedTable('reports'), T0)
    await engine.tx((db) => insertReports(db, [STORED]))
    expect(await known(engine)).toEqual(digests.toSorted())
  })

  test('the same report with another time is refused', async () => {
    const { engine } = await open()
    await engine.tx((db) => insertReports(db, [OURS]))
    const again = { ...OURS, receivedAt: T0 + 40 * 86_400_000 }
    await expect(engine.tx((db) => insertReports(db, [again]))).rejects.toMatchObject({ code: 'conflict' })
    expect(await findReportForOperator(engine.read, OURS.digest)).toEqual(OURS)
  })
})
