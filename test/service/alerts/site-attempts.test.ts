/** site-attempts.test - reported attempts are counted by receiving site: each once, sites that the rules name by name, all others as one */
import { describe, expect, test } from 'vitest'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createReportAttempts, type ReportedAttempt } from '../../../src/service/submit/reported-attempts.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const CALLER = { account: 1, apiUser: 'ann', ip: '203.0.113.5' }
const CALL = { from: 'news@example.com', subject: 'x', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
const DEFERRED = { code: 451, text: '4.7.1 Try again later', error: null, egressIp: null, attempt: 1, final: false, at: null } as const

describe.each(engines)('$kind', ({ open }) => {
  test('attempts of three sites', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: Date.UTC(2026, 10, 29) })
    const recipients = ['ann@gmail.com', 'bob@example.net', 'eve@example.org'].map((recipient) => ({ recipient, contactTypes: null }))
    const { recipients: rows } = await createRegister(context)(CALLER, { ...CALL, recipients })
    const [ann = '', bob = '', eve = ''] = rows.map(({ emailId }) => emailId)
    const attempts: readonly ReportedAttempt[] = [
      // Known by its domain alone, and by its MX host.
      { ...DEFERRED, emailId: ann, mx: null },
      { ...DEFERRED, emailId: ann, mx: 'aspmx.l.google.com', attempt: 2, code: 250, text: '2.0.0 OK' },
      { ...DEFERRED, emailId: bob, mx: 'mx.a-name-that-a-stranger-chose.example' },
      { ...DEFERRED, emailId: eve, mx: null, code: 550, text: '5.1.1 No such user', final: true },
    ]
    const report = createReportAttempts(context)
    await report(CALLER, attempts)
    await report(CALLER, attempts)
    const { text } = await context.telemetry.metrics()
    expect(
      text
        .split('\n')
        .filter((line) => line.startsWith('bounced_site_attempts_total{'))
        .toSorted(),
    ).toEqual([
      'bounced_site_attempts_total{site="google",outcome="deferred"} 1',
      'bounced_site_attempts_total{site="google",outcome="delivered"} 1',
      'bounced_site_attempts_total{site="other",outcome="deferred"} 1',
      'bounced_site_attempts_total{site="other",outcome="failed"} 1',
    ])
  })
})
