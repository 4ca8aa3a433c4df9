/**
 * tracked-sending.test - the tracking switches of a send decide what a delivered mail contains: by HTTP, by SMTP, and in mail that the sender delivers
 *
 * Mails leave over SMTP to a server of the test. A new account tracks clicks; opens and the footer for mail of the type batch.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { engines } from './support/engines.ts'
import { startTrackingApp, type TrackingApp } from './support/tracking-app.ts'

const HTML = '<html><body><p><a href="https://shop.example/sale">Sale</a></p></body></html>'

type Enable = '0' | '1' | null

/** The filters of a send; null: the send says nothing about that switch. */
const filtersOf = (open: Enable, click: Enable, subscription: Enable): object =>
  Object.fromEntries(
    Object.entries({ open_tracking: open, click_tracking: click, subscription_tracking: subscription }).flatMap(([name, enable]) =>
      enable === null ? [] : [[name, { settings: { enable } }]],
    ),
  )

const cases = [
  // open, click, subscription → image, redirect, footer
  [null, null, null, [false, true, false]],
  ['1', '1', '1', [true, true, true]],
  ['0', '0', '0', [false, false, false]],
  ['1', '0', null, [true, false, false]],
  ['0', null, '1', [false, true, true]],
] as const

describe.each(engines)('tracked sending: $kind', ({ url }) => {
  let app: TrackingApp
  beforeAll(async () => {
    app = await startTrackingApp(await url({ empty: true }))
  })
  afterAll(() => app.close())

  const trackedOf = (html: string): readonly boolean[] => [
    html.includes(`src="${app.origin}/o/`),
    html.includes(`href="${app.origin}/c/`) && !html.includes('"https://shop.example/sale"'),
    html.includes(`href="${app.origin}/u/`),
  ]

  test.each(cases)('mail/send, open %s, click %s, subscription %s', async (open, click, subscription, want) => {
    const to = `http-${open}-${click}-${subscription}@example.net`
    const xsmtpapi = { to: [to], filters: filtersOf(open, click, subscription) }
    const { status } = await app.request('POST', '/api/mail/send', { from: 'news@example.com', subject: 'x', html: HTML, xsmtpapi })
    expect(status).toBe(200)
    const mail = await app.receive(to)
    expect(trackedOf(String(mail.html))).toEqual(want)
    // The header goes where the send switches its unsubscribe link off.
    expect(JSON.stringify(mail.headers.get('list') ?? '').includes(`${app.origin}/u/`)).toBe(subscription !== '0')
  })

  test.each(cases)('SMTP, open %s, click %s, subscription %s', async (open, click, subscription, want) => {
    const to = `smtp-${open}-${click}-${subscription}@example.net`
    const extension = JSON.stringify({ filters: filtersOf(open, click, subscription) })
    await app.submit({ from: 'news@example.com', to, subject: 'x', html: HTML, text: 'Sale', headers: { 'X-SMTPAPI': extension } })
    const mail = await app.receive(to)
    expect(trackedOf(String(mail.html))).toEqual(want)
    expect([mail.headers.has('x-smtpapi'), mail.text?.includes(`${app.origin}/u/`)]).toEqual([false, want[2]])
  })

  test.each(cases)('EngageLab, open %s, click %s, subscription %s', async (open, click, subscription, want) => {
    const switchOf = (name: string, enable: Enable): object => (enable === null ? {} : { [name]: enable === '1' })
    const settings = {
      ...switchOf('open_tracking', open),
      ...switchOf('click_tracking', click),
      ...switchOf('unsubscribe_tracking', subscription),
      notification: true,
    }
    const to = `lab-${open}-${click}-${subscription}@example.net`
    const content = { html: HTML.replace('Sale<', '%what%<img src="cid:image_1"><'), preview_text: 'In short' }
    const attachments = [{ content: 'aGk=', filename: 'a.png', type: 'image/png', disposition: 'inline', content_id: 'image_1' }]
    const { status } = await app.request('POST', '/v1/mail/send', {
      from: 'News <news@example.com>',
      to: [to],
      body: { subject: 'x %what%', content, vars: { what: ['Sale'] }, attachments, settings },
      custom_args: { order: 7 },
    })
    expect(status).toBe(200)
    const mail = await app.receive(to)
    expect(trackedOf(String(mail.html))).toEqual(want)
    expect(String(mail.html)).toMatch(/<body><div style="display:none[^>]*>In short<\/div>/)
    expect(mail.subject).toBe('x Sale')
    // An encoded word (RFC 2047), because of the quotation marks.
    expect(JSON.stringify(mail.headers.get('sc-custom-args'))).toContain('order')
    expect(mail.headers.has('disposition-notification-to')).toBe(true)
    expect(mail.attachments.map(({ cid, related }) => [cid, related])).toEqual([['image_1', true]])
  })

  test('sections with bare names and values for all recipients are in the delivered mail', async () => {
    const xsmtpapi = {
      to: ['section@example.net'],
      sub: { '%level%': ['%silver%'], '%n%': [null] },
      pubsub: { '%city%': 'Oslo' },
      section: { silver: 'Silver in %city%' },
    }
    const mail = { from: 'news@example.com', subject: 'x', html: '<p>%level%, %city%[%n%]</p>', xsmtpapi }
    expect((await app.request('POST', '/api/mail/send', mail)).status).toBe(200)
    expect(String((await app.receive('section@example.net')).html)).toContain('<p>Silver in Oslo, Oslo[]</p>')
  })

  test.each(cases)('registered mail, open %s, click %s, subscription %s', async (open, click, subscription, want) => {
    const switchOf = (name: string, enable: Enable): object => (enable === null ? {} : { [name]: enable === '1' })
    const tracking = { ...switchOf('open', open), ...switchOf('click', click), ...switchOf('unsubscribe', subscription) }
    const recipients = [`own-${open}-${click}-${subscription}@example.net`]
    const { status, body } = await app.request('POST', '/v1/messages', { from: 'news@example.com', recipients, html: HTML, tracking })
    const [copy] = (body as { readonly recipients: readonly { readonly html: string }[] }).recipients
    expect([status, trackedOf(copy?.html ?? '')]).toEqual([201, want])
  })

  test('the links of a delivered mail work: image, redirect, unsubscribe by one click', async () => {
    const xsmtpapi = { to: ['links@example.net'], filters: filtersOf('1', '1', '1') }
    await app.request('POST', '/api/mail/send', { from: 'news@example.com', subject: 'x', html: HTML, xsmtpapi })
    const html = String((await app.receive('links@example.net')).html).replaceAll('&amp;', '&')
    const link = (kind: string): string => new RegExp(`${app.origin}/${kind}/[^"]+`).exec(html)?.[0] ?? ''
    const headers = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.3.1' }
    expect(await (await fetch(link('o'), { headers })).bytes()).toHaveLength(43)
    // A program follows the link.
    const click = await fetch(link('c'), { redirect: 'manual' })
    expect([click.status, click.headers.get('location')]).toEqual([302, 'https://shop.example/sale'])
    const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })
    expect((await fetch(link('u'), { method: 'POST', body })).status).toBe(200)
    const state = async (): Promise<unknown> => {
      const { body: found } = await app.request('GET', '/v1/messages?recipient=links@example.net')
      return (found as { readonly messages: readonly unknown[] }).messages[0]
    }
    const opened = { openedAt: expect.stringMatching(/^2/), result: 'opened', machineOpens: 0 }
    await expect.poll(state).toMatchObject({ ...opened, clicks: 1, machineClicks: 1, clickedAt: null })
  })
})
