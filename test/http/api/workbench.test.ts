/** workbench.test - what a person who writes rules asks the API: explanations as the command gives them, what no rule knows, a first rule */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { explainReport } from '../../../src/correlate/explained-report.ts'
import type { HttpServer } from '../../../src/http/server/http-server.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { parseReport } from '../../../src/mail/report-parser.ts'
import type { Context } from '../../../src/service/context.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createReportAttempts } from '../../../src/service/submit/reported-attempts.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail } from '../../support/reports.ts'
import { makeServices } from '../../support/services.ts'
import { makeBench, OPERATOR } from '../bench.ts'

const FIXTURES = join(import.meta.dirname, '../../../fixtures/mails')
const CALL = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {} } as const
const CALLER = { account: 1, apiUser: 'one', ip: '203.0.113.5' }

type ExplainedBody = {
  readonly kind: string
  readonly parts: readonly { readonly body: { readonly from: number; readonly to: number } }[]
  readonly recipients: readonly {
    readonly recipient: string | null
    readonly verdict: null | {
      readonly rule: string
      readonly reason: string
      readonly text: string
      readonly matched: readonly {
        readonly words: string
        readonly inText: null | { readonly from: number; readonly to: number }
        readonly inMail: null | { readonly from: number; readonly to: number }
      }[]
    }
  }[]
}

describe('POST /v1/explain', async () => {
  const { server, send } = await makeBench(
    {},
    {
      limits: {
        bodyBytes: 3_000_000,
        requestsPerMinute: 10_000,
        recipientsPerRequest: 3,
        attemptsPerRequest: 3,
        classificationsPerRequest: 3,
        emailStatusDays: 3,
      },
    },
  )
  const explain = async (body: object): Promise<ExplainedBody> => {
    const response = await send({ method: 'POST', url: '/v1/explain', body, auth: OPERATOR })
    expect([response.statusCode, response.body.slice(0, 300)]).toEqual([200, expect.anything()])
    return response.json()
  }
  const normal = (text: string): string => text.toLowerCase().replaceAll(/\s+/g, ' ')

  test('every fixture has the verdicts of the command, and the marked words are where the answer says', async () => {
    const { getRules } = await import('../fake-services.ts').then(({ FAKE_SERVICES }) => FAKE_SERVICES)
    let marked = 0
    for (const name of readdirSync(FIXTURES).filter((each) => each.endsWith('.eml') && each !== 'unreadable-empty.eml')) {
      const mail = readFileSync(join(FIXTURES, name), 'utf8')
      const wanted = explainReport(getRules(), parseReport(Buffer.from(mail)), [])
      const found = await explain({ mail })
      expect(found.recipients.map(({ recipient, verdict }) => [recipient, verdict?.rule, verdict?.reason])).toEqual(
        wanted.map(({ recipient, verdict }) => [recipient.recipient, verdict?.rule, verdict?.reason]),
      )
      for (const { verdict } of found.recipients)
        for (const { inText, inMail } of verdict?.matched ?? []) {
          if (verdict === null || inText === null || inMail === null) continue
          marked += 1
          expect(normal(mail.slice(inMail.from, inMail.to))).toBe(normal(verdict.text.slice(inText.from, inText.to)))
        }
      for (const { body } of found.parts) expect(0 <= body.from && body.from <= body.to && body.to <= mail.length).toBe(true)
    }
    expect(marked).toBeGreaterThan(50)
  })

  test('a reply, with the host that sent it', async () => {
    const { recipients } = await explain({ reply: '550 5.1.1 No such user here' })
    expect(recipients[0]?.verdict).toMatchObject({
      reason: 'not-exist',
      matched: [{ words: 'no such user', inText: { from: 0, to: 12 }, inMail: null }],
    })
  })

  test.each([
    ['nothing', {}],
    ['both', { reply: 'x', mail: 'y' }],
    ['no text', { reply: '' }],
    ['a long reply', { reply: 'x'.repeat(5_000) }],
    ['a large mail', { mail: 'x'.repeat(1_000_001) }],
    ['an unknown field', { reply: 'x', extra: 1 }],
  ])('%s is refused', async (_, body) => {
    expect((await send({ method: 'POST', url: '/v1/explain', body, auth: OPERATOR })).statusCode).toBe(400)
  })

  const hostile = [
    ['NUL bytes', () => '\0'.repeat(1_000)],
    ['an endless header', () => `Subject: ${'x'.repeat(900_000)}`],
    ['half a surrogate', () => 'From: x\r\n\r\n\ud800 550'],
    ['nested parts', () => 'Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n'.repeat(9_000)],
  ] as const
  test.each(hostile)('a mail of %s is explained', async (_, mail) => {
    expect((await explain({ mail: mail() })).kind).toBeTypeOf('string')
  })

  test('after all', async () => {
    await server.close()
    expect(server.server.listening).toBe(false)
  })
})

describe.each(engines)('the workbench: $kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let clock: Clock
  let server: HttpServer
  const authorization = OPERATOR
  beforeEach(async () => {
    ;({ engine } = await open())
    clock = { now: Date.UTC(2026, 10, 20, 12) }
    context = await makeContext(engine, clock)
    ;({ server } = await makeBench(makeServices(context)))
  })
  afterEach(() => server.close())

  const get = async (url: string) => (await server.inject({ url, headers: { authorization } })).json()

  async function refuse(texts: readonly string[]): Promise<void> {
    const recipients = texts.map((_, n) => ({ recipient: `a${n}@example.org`, contactTypes: null }))
    const made = await createRegister(context)(CALLER, { ...CALL, recipients })
    clock.now += 1_000
    const receipt = { error: null, mx: null, egressIp: null, attempt: 1, final: true, at: null }
    await createReportAttempts(context)(
      CALLER,
      made.recipients.map(({ emailId }, n) => ({ ...receipt, emailId, code: 550, text: texts[n] ?? '' })),
    )
  }

  test('replies that no rule knows are counted and grouped by shape; each rule says how often it decided', async () => {
    await refuse([
      '550 the zorgle 17 of ann@example.org is gone',
      '550 the zorgle 4711 of ben@example.org is gone',
      '550 gnarf <script>alert(1)</script>',
      '550 5.1.1 No such user here',
    ])
    const other = await get('/v1/rules/other?days=1')
    expect(other).toMatchObject({ verdicts: 4, other: 3, share: 0.75, read: 3, complete: true })
    expect(other.groups.map(({ shape, n }: { shape: string; n: number }) => [shape, n])).toEqual([
      ['# the zorgle # of <address> is gone', 2],
      ['# gnarf <script>alert(#)</script>', 1],
    ])
    expect(JSON.stringify(other)).not.toContain('ann@')
    const { rules } = await get('/v1/rules?days=1')
    const decided = rules.filter((each: { decided: number }) => each.decided > 0)
    expect(decided.map((each: { reason: string; decided: number }) => [each.reason, each.decided])).toContainEqual(['not-exist', 1])
    expect(await get('/v1/rules/other?days=1&apiUser=nobody')).toMatchObject({ code: 'not_found' })
    clock.now += 3 * 86_400_000
    expect(await get('/v1/rules/other?days=1')).toMatchObject({ verdicts: 0, other: 0, share: 0, read: 0, groups: [] })
  })

  test('a mail of the inbox becomes a rule that the loader takes', async () => {
    const receiver = createReceiver(context, { prover: async () => NO_AUTHENTICATION_RESULTS, dryRun: false, notifyReplays: false })
    const raw = readFileSync(join(FIXTURES, 'google-not-exist.eml'), 'latin1').replaceAll(/5\.1\.1|does not exist|NoSuchUser/gi, 'zorgle')
    await receiver.submit(makeIncomingMail(raw, 'postmaster@bounce.example.com', { at: clock.now, receivedAt: clock.now }))
    const { items } = await get('/v1/inbox')
    const [item] = items
    const response = await server.inject({
      method: 'POST',
      url: '/v1/rules/proposal',
      headers: { authorization },
      payload: { inboxId: item.id },
    })
    expect(response.statusCode).toBe(200)
    const proposal = response.json()
    const checked = await server.inject({
      method: 'POST',
      url: '/v1/rules/check',
      headers: { authorization },
      payload: { rules: [{ file: 'own.toml', text: proposal.text }] },
    })
    expect(checked.json()).toMatchObject({
      loads: true,
      problems: [],
      rules: [{ id: proposal.id, hits: [{ ok: true }], misses: [{ ok: true }] }],
    })
    const unknown = {
      method: 'POST',
      url: '/v1/rules/proposal',
      headers: { authorization },
      payload: { inboxId: 'ab'.repeat(32) },
    } as const
    expect((await server.inject(unknown)).statusCode).toBe(404)
  })

  test('without a folder, nothing can be saved, and the answer says which setting makes one', async () => {
    const response = await server.inject({
      method: 'PUT',
      url: '/v1/rules/files/own.toml',
      headers: { authorization },
      payload: { text: 'x' },
    })
    expect([response.statusCode, response.json().detail]).toEqual([409, expect.stringContaining('BOUNCED_RULES_FOLDER')])
  })
})
