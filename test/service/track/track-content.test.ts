/**
 * track-content.test - the content of registered mails comes back with tracking, and its links name the copy
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { createRegister, type Register } from '../../../src/service/submit/register.ts'
import type { Context } from '../../../src/service/context.ts'
import { addUnsubscribeEntry } from '../../../src/service/lists/unsubscribe.ts'
import { createTrackHtml } from '../../../src/service/track/track-content.ts'
import { readClickPath, readOpenPath } from '../../../src/tracking/tracking-link.ts'
import { FEEDBACK, makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const DAY_MS = 86_400_000
const caller = { account: 1, apiUser: 'alice', ip: '192.0.2.1' } as const
const ON = { open: true, click: true, subscription: true }
const HTML = '<p>你好</p><a href="https://shop.example.org/?a=1&amp;b=ü">Shop</a>'

describe.each(engines)('$kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  let context: Context
  let register: Register
  beforeAll(async () => {
    context = await makeContext((await open()).engine, clock)
    register = createRegister(context)
  })
  const registerMail = (recipients: readonly string[], over: Partial<Parameters<Register>[1]> = {}): ReturnType<Register> =>
    register(caller, {
      from: 'news@example.com',
      subject: 'Hello',
      label: null,
      broadcast: null,
      emailType: 'batch',
      headers: {},
      recipients: recipients.map((recipient) => ({ recipient, contactTypes: null })),
      ...over,
    })
  /** The deliveries that the open image and the click links of a content prove, and the targets. */
  const readContent = async (
    html: string | null,
  ): Promise<{ readonly ids: ReadonlySet<string>; readonly targets: readonly (string | null)[] }> => {
    const { keyFor } = await context.accountCache.snapshot()
    const links = [...(html ?? '').matchAll(/https:\/\/t\.example\.com\/[oc]\/([a-z2-7]{30})(?:\.gif|\/([a-z2-7]+)\/([\w-]+))/g)]
    const readings = links.map(([, token = '', mac = '', target = '']) =>
      mac === '' ? readOpenPath(token, FEEDBACK, keyFor) : readClickPath({ token, mac, target }, FEEDBACK, keyFor),
    )
    return { ids: new Set(readings.map(({ deliveryId }) => deliveryId)), targets: readings.map(({ target }) => target) }
  }

  test('a registration with content returns the content of each copy', async () => {
    const { recipients } = await registerMail(['a@example.org', 'b@example.org'], { content: { html: HTML, plain: 'Hi', tracking: ON } })
    const read = await Promise.all(recipients.map(({ content }) => readContent(content?.html ?? null)))
    expect(read.map(({ targets }) => targets)).toEqual(Array.from({ length: 2 }, () => ['https://shop.example.org/?a=1&b=%C3%BC', null]))
    expect(read.map(({ ids }) => ids.size)).toEqual([1, 1])
    expect(new Set(read.flatMap(({ ids }) => [...ids])).size).toBe(2)
    expect(recipients[0]?.content?.html).toMatch(/^<p>你好<\/p><a href="https:\/\/t\.example\.com\/c\/[^"]+">Shop<\/a><div .*退订|&#36864;/)
    expect(recipients[0]?.content?.plain).toMatch(
      /^Hi\r\n\r\nYou do not want .*\r\nUnsubscribe: https:\/\/t\.example\.com\/u\/[a-z2-7]{30}\r\n$/,
    )
  })

  test('a registration without content returns none, and a recipient who must not get the mail has none', async () => {
    await addUnsubscribeEntry(context, caller, 'gone@example.org', 0)
    const plain = await registerMail(['c@example.org'])
    expect(plain.recipients.map(({ content }) => content)).toEqual([null])
    const { recipients } = await registerMail(['gone@example.org', 'no address'], { content: { html: HTML, plain: null, tracking: ON } })
    expect(recipients.map(({ status, content }) => [status, content])).toEqual([
      [4, null],
      [4, null],
    ])
  })

  test('the content of a registered mail is tracked later, with the same links', async () => {
    const { recipients } = await registerMail(['d@example.org'], { content: { html: HTML, plain: null, tracking: ON } })
    const trackHtml = createTrackHtml(context)
    const emailId = recipients[0]?.emailId ?? ''
    const tracked = await trackHtml(caller, { emailId, html: HTML, plain: null, tracking: ON })
    expect(tracked).toEqual({ ...recipients[0]?.content, switches: { open: true, click: true, unsubscribeFooter: true } })
    // Content that is tracked already gets no second redirect.
    const again = await trackHtml(caller, {
      emailId,
      html: tracked.html,
      plain: null,
      tracking: { ...ON, open: false, subscription: false },
    })
    expect(again.html).toBe(tracked.html)
  })

  test('the settings of the account decide where the request does not', async () => {
    const { recipients } = await registerMail(['e@example.org'])
    const none = { open: null, click: null, subscription: null }
    const tracked = await createTrackHtml(context)(caller, {
      emailId: recipients[0]?.emailId ?? '',
      html: HTML,
      plain: 'Hi',
      tracking: none,
    })
    expect(tracked).toEqual({ html: HTML, plain: 'Hi', switches: { open: false, click: false, unsubscribeFooter: false } })
  })

  test('without a base URL nothing changes, not even the placeholder', async () => {
    const html = '%%user_defined_unsubscribe_link%%'
    const { recipients } = await registerMail(['f@example.org'])
    const request = { emailId: recipients[0]?.emailId ?? '', html, plain: html, tracking: ON }
    const tracked = await createTrackHtml({ ...context, sharedTrackingBase: null })(caller, request)
    expect([tracked.html, tracked.plain, tracked.switches.click]).toEqual([html, html, false])
    expect((await createTrackHtml(context)(caller, request)).html).toMatch(/^https:\/\/t\.example\.com\/u\/[a-z2-7]{30}<img /)
  })

  test('a mail that is unknown, of another account, or too old has no links', async () => {
    const { recipients } = await registerMail(['g@example.org'])
    const request = { emailId: recipients[0]?.emailId ?? '', html: HTML, plain: null, tracking: ON }
    const trackHtml = createTrackHtml(context)
    await expect(trackHtml({ ...caller, account: 2 }, request)).rejects.toMatchObject({ code: 'not_found' })
    await expect(trackHtml(caller, { ...request, emailId: 'nothing' })).rejects.toMatchObject({ code: 'not_found' })
    clock.now = T0 + 402 * DAY_MS
    await expect(trackHtml(caller, request)).rejects.toMatchObject({ code: 'not_found' })
    clock.now = T0
  })
})
