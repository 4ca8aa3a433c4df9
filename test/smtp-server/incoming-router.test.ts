/**
 * incoming-router.test - where mail for each recipient goes, and what one mail with recipients of both kinds does
 */
import { afterEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { verpAccountOf, parseVerpAddress } from '../../src/correlate/verp.ts'
import type { IncomingMail } from '../../src/service/receive/incoming-mail.ts'
import { createIncomingRouter, type IncomingRouter } from '../../src/smtp-server/incoming-router.ts'
import { closeAll, MAIL, openConversation, startListener } from '../support/smtp-listener.ts'

afterEach(closeAll)

/** Resolves when the mail is committed; rejects with the Fault under test. */
type Commit = (mail: IncomingMail) => Promise<unknown>

type Fixture = {
  readonly router: IncomingRouter
  /** `reports <recipient>` or `inbound <recipient>` for each mail that was committed. */
  readonly committed: string[]
  readonly inboundDomains: Set<string>
}

function createFixture({ commit = () => Promise.resolve() }: { readonly commit?: Commit } = {}): Fixture {
  const committed: string[] = []
  const inboundDomains = new Set(['inbound.example', 'fbl.example.com'])
  const domainOf = (recipient: string): string => recipient.slice(recipient.lastIndexOf('@') + 1).toLowerCase()
  const save = async (destination: string, mail: IncomingMail): Promise<void> => {
    await commit(mail)
    committed.push(`${destination} ${mail.envelope.to}`)
  }
  const inbound: Parameters<typeof createIncomingRouter>[0]['inbound'] = {
    accepts: (recipient) => Promise.resolve(inboundDomains.has(domainOf(recipient))),
    submit: async (mail) => {
      if (!inboundDomains.has(domainOf(mail.envelope.to))) return false
      await save('inbound', mail)
      return true
    },
  }
  const reports = { submit: (mail: IncomingMail) => save('reports', mail) }
  const own = [parseVerpAddress(1, 'bounces@verp.example.net')].flatMap((each) => each ?? [])
  const router = createIncomingRouter({
    domains: { returnPath: ['bounce.example.com'], feedback: ['fbl.example.com'], verp: ['verp.example.net'] },
    reports,
    inbound,
    isVerpRecipient: (recipient) => Promise.resolve(verpAccountOf(recipient, own) !== null),
  })
  return { router, committed, inboundDomains }
}

const mailTo = (to: string): IncomingMail => ({
  raw: Buffer.from(MAIL),
  size: MAIL.length,
  truncated: false,
  dataDigest: '00',
  envelope: { from: '', to },
  peer: null,
  helo: null,
  at: 0,
  receivedAt: 0,
  source: 'smtp',
  trustAs: null,
  sessionId: 's',
})

const recipients = [
  // recipient                          RCPT TO     after DATA
  ['token@bounce.example.com', 'reports', 'reports'],
  ['TOKEN@Bounce.Example.COM', 'reports', 'reports'],
  ['anything@fbl.example.com', 'reports', 'reports'], // a report domain wins over an account's claim to it
  ['postmaster', 'reports', 'reports'],
  ['PostMaster', 'reports', 'reports'],
  ['postmaster@bounce.example.com', 'reports', 'reports'],
  ['Bounces-joe=example.org@VERP.example.net', 'reports', 'reports'],
  ['bounces@verp.example.net', 'reports', 'reports'],
  ['abuse@verp.example.net', 'reports', 'reports'],
  ['joe@verp.example.net', null, 'reports'],
  ['bounces+joe@verp.example.net', null, 'reports'],
  ['joe@inbound.example', 'inbound', 'inbound'],
  ['Joe@INBOUND.example', 'inbound', 'inbound'],
  ['postmaster@inbound.example', 'inbound', 'inbound'],
  ['joe@sub.inbound.example', null, 'reports'],
  ['joe@example.org', null, 'reports'],
  ['postmaster@example.org', null, 'reports'],
  ['joe@evilbounce.example.com', null, 'reports'],
  ['joe@bounce.example.com.evil.example', null, 'reports'],
  ['inbound.example', null, 'reports'],
  ['root', null, 'reports'],
  ['', null, 'reports'],
] as const
test.each(recipients)('%j: RCPT TO gives %s, after DATA it is %s', async (recipient, atRcpt, afterData) => {
  const { router, committed } = createFixture()
  expect(await router.destinationOf(recipient)).toBe(atRcpt)
  await router.submit(mailTo(recipient))
  expect(committed).toEqual([`${afterData} ${recipient}`])
})

test('an account that loses its domain after RCPT TO: the mail is processed as a report', async () => {
  const { router, committed, inboundDomains } = createFixture()
  expect(await router.destinationOf('joe@inbound.example')).toBe('inbound')
  inboundDomains.clear()
  await router.submit(mailTo('joe@inbound.example'))
  expect(committed).toEqual(['reports joe@inbound.example'])
})

test('an account that loses its domain while its mail is submitted: the mail is processed as a report', async () => {
  const { committed } = createFixture()
  const router = createIncomingRouter({
    domains: { returnPath: [], feedback: [] },
    reports: { submit: (mail) => Promise.resolve(committed.push(mail.envelope.to)) },
    inbound: { accepts: () => Promise.resolve(true), submit: () => Promise.resolve(false) },
  })
  await router.submit(mailTo('joe@inbound.example'))
  expect(committed).toEqual(['joe@inbound.example'])
})

test('without inbound domains only reports are accepted', async () => {
  const router = createIncomingRouter({
    domains: { returnPath: ['bounce.example.com'], feedback: [] },
    reports: { submit: () => Promise.resolve() },
    inbound: null,
  })
  expect(await router.destinationOf('token@bounce.example.com')).toBe('reports')
  expect(await router.destinationOf('joe@inbound.example')).toBeNull()
})

describe('over SMTP, one mail for a report address and an inbound address', () => {
  async function sendToBoth({ router }: Fixture): Promise<readonly string[]> {
    const { listener } = await startListener({ router })
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    await send('MAIL FROM:<>')
    const replies = [await send('RCPT TO:<token@bounce.example.com>'), await send('RCPT TO:<joe@inbound.example>')]
    replies.push(await send('RCPT TO:<joe@example.org>'))
    await send('DATA')
    return [...replies, await send(`${MAIL}.`)].map((reply) => reply.slice(0, 9))
  }

  test('goes to both destinations and is accepted once', async () => {
    const fixture = createFixture()
    expect(await sendToBoth(fixture)).toEqual(['250 2.1.5', '250 2.1.5', '550 5.7.1', '250 2.6.0'])
    expect(fixture.committed.toSorted()).toEqual(['inbound joe@inbound.example', 'reports token@bounce.example.com'])
  })

  test.each(['token@bounce.example.com', 'joe@inbound.example'])('is deferred as a whole when %s cannot be committed', async (failing) => {
    const fixture = createFixture({
      commit: ({ envelope }) => (envelope.to === failing ? Promise.reject(new Fault('store_busy', 'down')) : Promise.resolve()),
    })
    expect((await sendToBoth(fixture)).at(-1)).toBe('451 4.3.0')
    expect(fixture.committed).toHaveLength(1)
  })

  test('RCPT TO is deferred when the inbound domains cannot be looked up; report addresses are still accepted', async () => {
    const router = createIncomingRouter({
      domains: { returnPath: ['bounce.example.com'], feedback: [] },
      reports: { submit: () => Promise.resolve() },
      inbound: { accepts: () => Promise.reject(new Fault('store_busy', 'down')), submit: () => Promise.resolve(false) },
    })
    const { listener } = await startListener({ router })
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    await send('MAIL FROM:<>')
    expect(await send('RCPT TO:<joe@inbound.example>')).toMatch(/^451 4\.3\.0/)
    expect(await send('RCPT TO:<token@bounce.example.com>')).toMatch(/^250/)
  })
})
