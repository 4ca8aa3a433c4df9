/** reclassify-kills.test - a reclassification whose process is killed in the middle, again and again, changes each failure exactly once */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rebuild } from '../../src/service/admin/rebuild.ts'
import { createReclassificationService } from '../../src/service/reclassify/reclassifications.ts'
import { createRegister } from '../../src/service/submit/register.ts'
import { createReportAttempts } from '../../src/service/submit/reported-attempts.ts'
import { makeContext } from '../support/context.ts'
import { engines } from '../support/engines.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const MAILS = 3_000
const CALLER = { account: 1, apiUser: 'one', ip: '203.0.113.5' }
const CALL = { from: 'news@example.com', subject: 'x', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
const REPLY = '550 5.0.0 the zorgle of this box is gone'
const DRAFT = `provider = "common"
[[rule]]
id = "draft-zorgle"
reason = "not-exist"
says = ["zorgle of this box"]
hits = ["${REPLY}"]
misses = ["550 the zorgle is fine"]
`

describe.each(engines)('reclassification: $kind', ({ open }) => {
  test('killed in the middle of its dry run, of its application and of its undo', async () => {
    const { engine, url } = await open()
    const clock = { now: T0 }
    const context = await makeContext(engine, clock)
    for (let at = 0; at < MAILS; at += 500) {
      const recipients = Array.from({ length: 500 }, (_, n) => ({ recipient: `a${at + n}@d${(at + n) % 40}.example`, contactTypes: null }))
      const made = await createRegister(context)(CALLER, { ...CALL, recipients })
      const attempt = { code: 550, text: REPLY, error: null, mx: null, egressIp: null, attempt: 1, final: true, at: null }
      await createReportAttempts(context)(
        CALLER,
        made.recipients.map(({ emailId }) => ({ ...attempt, emailId })),
      )
      clock.now += 1_000
    }
    const service = createReclassificationService(context, () => undefined)
    let kills = 0

    /** Runs a job in child processes, and kills each of them as soon as it has saved a page. */
    const runWithKills = async (jobId: string): Promise<string> => {
      for (;;) {
        // The lease of the killed process has run out.
        clock.now += 61_000
        const { done } = await service.find(jobId)
        const child = spawn(process.execPath, [join(import.meta.dirname, '../support/reclassify-child.ts'), url, String(clock.now)])
        const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
        let isOver = false
        void ended.then(() => {
          isOver = true
        })
        while (!isOver) {
          const job = await service.find(jobId)
          if (job.state !== 'checking' && job.state !== 'applying') break
          if (job.done > done + 400) {
            kills += 1
            child.kill('SIGKILL')
            break
          }
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
        await ended
        const { state } = await service.find(jobId)
        if (state !== 'checking' && state !== 'applying') return state
      }
    }

    const count = async (sql: string) => Number((await engine.read.one(sql))?.['n'])
    const differences = async () => (await rebuild(context, { check: true, onProgress: () => undefined })).differences
    const job = await service.request({ actor: 'op', since: null, onlyAccount: null, draft: [{ file: 'draft.toml', text: DRAFT }] })
    expect(await runWithKills(job.jobId)).toBe('checked')
    expect((await service.find(job.jobId)).preview).toMatchObject({ examined: MAILS, changed: MAILS })
    await service.apply(job.jobId, 'op', { lists: 'all', webhooks: false })
    expect(await runWithKills(job.jobId)).toBe('applied')
    const { outcome } = await service.find(job.jobId)
    expect(outcome).toMatchObject({ examined: MAILS, changed: MAILS })
    expect(outcome.lists.reduce((sum, { n }) => sum + n, 0)).toBe(MAILS)
    expect(await count("select count(*) as n from events where kind = 'reclassified'")).toBe(MAILS)
    expect(await count("select count(*) as n from deliveries where reason = 'not-exist' and reclassified = 1")).toBe(MAILS)
    expect(await count("select count(*) as n from suppressions where list = 'bounce'")).toBe(MAILS)
    expect(await differences()).toEqual([])
    const undo = await service.undo(job.jobId, 'op')
    expect(await runWithKills(undo.jobId)).toBe('checked')
    await service.apply(undo.jobId, 'op', { lists: 'all', webhooks: false })
    expect(await runWithKills(undo.jobId)).toBe('applied')
    expect(await count("select count(*) as n from events where kind = 'reclassified'")).toBe(2 * MAILS)
    expect(await count("select count(*) as n from deliveries where reason = 'other'")).toBe(MAILS)
    expect(await count("select count(*) as n from suppressions where list = 'bounce' and removed_at is null and pending = 0")).toBe(0)
    expect(await differences()).toEqual([])
    expect(kills).toBeGreaterThan(8)
  })
})
