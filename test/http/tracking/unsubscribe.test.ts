/**
 * unsubscribe.test - the unsubscribe link over HTTP: what unsubscribes, what only shows the page, and what the page says to whom
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { makeBench, type ServiceOverrides } from '../bench.ts'

const GOOD = 'a'.repeat(30)
const HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
const URLENCODED = 'application/x-www-form-urlencoded'
const MULTIPART = 'multipart/form-data; boundary=x'

const part = (name: string, value: string): string => `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const multipart = (...fields: readonly (readonly [string, string])[]): string =>
  `${fields.map(([name, value]) => part(name, value)).join('')}--x--\r\n`

/** The calls that change something, with how and why. */
const changesOf = (calls: readonly { readonly name: string; readonly args: readonly unknown[] }[]): readonly unknown[] =>
  calls.flatMap(({ name, args }) => {
    if (name === 'unsubscribeLinks.undo') return [['undo', args[1]]]
    const request: unknown = args[0]
    return name === 'unsubscribeLinks.unsubscribe' ? [[Reflect.get(Object(request), 'how'), Reflect.get(Object(request), 'type')]] : []
  })

const ONE_CLICK = [['one-click', 0]]
const posts = [
  // RFC 8058 §3.1
  ['one click, urlencoded', URLENCODED, 'List-Unsubscribe=One-Click', ONE_CLICK],
  ['one click, multipart', MULTIPART, multipart(['List-Unsubscribe', 'One-Click']), ONE_CLICK],
  ['one click in lower case', URLENCODED, 'list-unsubscribe=one-click', ONE_CLICK],
  ['one click in capitals, multipart', MULTIPART, multipart(['LIST-UNSUBSCRIBE', 'ONE-CLICK']), ONE_CLICK],
  ['one click with further fields', URLENCODED, 'a=b&List-Unsubscribe=One-Click&reason=3&c=d', ONE_CLICK],
  ['one click with further parts', MULTIPART, multipart(['x', 'y'], ['List-Unsubscribe', 'One-Click'], ['reason', '2']), ONE_CLICK],
  ['one click with a charset', `${URLENCODED}; charset=utf-8`, 'List-Unsubscribe=One-Click', ONE_CLICK],
  ['one click without a useful content type', 'text/plain', 'List-Unsubscribe=One-Click', ONE_CLICK],
  ['a multipart boundary in quotes', 'multipart/form-data; boundary="x"', multipart(['List-Unsubscribe', 'One-Click']), ONE_CLICK],
  // the form of the page
  ['the form', URLENCODED, 'action=unsubscribe&reason=0', [['page', 0]]],
  ['the form, never subscribed', URLENCODED, 'action=unsubscribe&reason=1', [['page', 1]]],
  ['the form, spam', URLENCODED, 'action=unsubscribe&reason=2', [['page', 2]]],
  ['the form, fraud', URLENCODED, 'action=unsubscribe&reason=3', [['page', 3]]],
  ['the form without a reason', URLENCODED, 'action=unsubscribe', [['page', 0]]],
  ['the form with an invented reason', URLENCODED, 'action=unsubscribe&reason=99', [['page', 0]]],
  ['an undo', URLENCODED, 'action=undo&permit=a.1.0.mac', [['undo', 'a.1.0.mac']]],
  // what only shows the page
  ['another value', URLENCODED, 'List-Unsubscribe=Two-Clicks', []],
  ['another field', URLENCODED, 'Unsubscribe=One-Click', []],
  ['the value as a name', URLENCODED, 'One-Click=List-Unsubscribe', []],
  ['an empty form', URLENCODED, '', []],
  ['a body of some other kind', 'text/x-odd', 'x', []],
  ['JSON', 'application/json', '{"List-Unsubscribe":"One-Click"}', []],
  ['invalid JSON', 'application/json', '{', []],
  ['a multipart form that ends early', MULTIPART, part('List-Unsubscribe', 'One-Click'), []],
  ['a multipart form without a boundary', 'multipart/form-data', multipart(['List-Unsubscribe', 'One-Click']), []],
  [
    'the field as a file',
    MULTIPART,
    '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"; filename="a"\r\n\r\nOne-Click\r\n--x--\r\n',
    [],
  ],
] as const

describe('POST', () => {
  test.each(posts)('%s', async (_title, type, body, want) => {
    const { send, calls } = await makeBench()
    const response = await send({ method: 'POST', url: `/u/${GOOD}`, auth: null, body, headers: { 'content-type': type } })
    expect([response.statusCode, changesOf(calls)]).toEqual([200, want])
    expect(response.headers).not.toHaveProperty('set-cookie')
    expect(response.headers).not.toHaveProperty('location')
  })

  test('without a body shows the page', async () => {
    const { send, calls } = await makeBench()
    const { statusCode } = await send({ method: 'POST', url: `/u/${GOOD}`, auth: null })
    expect([statusCode, changesOf(calls)]).toEqual([200, []])
  })

  test('a body of 16 KiB and more is refused before it is parsed', async () => {
    const { send, calls } = await makeBench()
    const body = `a=${'x'.repeat(17_000)}&List-Unsubscribe=One-Click`
    const { statusCode } = await send({ method: 'POST', url: `/u/${GOOD}`, auth: null, body, headers: { 'content-type': URLENCODED } })
    expect([statusCode, changesOf(calls)]).toEqual([413, []])
  })

  test('no body that lacks the fields changes anything', async () => {
    const { send, calls } = await makeBench()
    const types = fc.constantFrom(URLENCODED, MULTIPART, 'multipart/mixed; boundary=x', 'text/plain', 'application/json', 'x/y')
    await fc.assert(
      fc.asyncProperty(types, fc.string({ unit: 'binary', maxLength: 300 }), async (type, body) => {
        fc.pre(!/action|one-click/i.test(body))
        const response = await send({ method: 'POST', url: `/u/${GOOD}`, auth: null, body, headers: { 'content-type': type } })
        expect([response.statusCode, changesOf(calls)]).toEqual([200, []])
      }),
    )
  })
})

describe('a link scanner', () => {
  test.each(['GET', 'HEAD', 'OPTIONS'] as const)('%s unsubscribes nobody', async (method) => {
    const { server, calls } = await makeBench()
    for (const url of [`/u/${GOOD}`, `/u/${GOOD}?List-Unsubscribe=One-Click`, `/u/${GOOD}?action=unsubscribe&reason=3`, `/u/${GOOD}/`])
      await server.inject({ method, url })
    expect(changesOf(calls)).toEqual([])
  })

  test.each(['PUT', 'PATCH', 'DELETE'] as const)('%s is not supported', async (method) => {
    const { server, calls } = await makeBench()
    const { statusCode } = await server.inject({ method, url: `/u/${GOOD}`, payload: 'List-Unsubscribe=One-Click' })
    expect([statusCode, changesOf(calls)]).toEqual([405, []])
  })
})

describe('a link that names no mail', () => {
  test.each(['b'.repeat(30), 'a'.repeat(30).replace('a', '%00'), '%3Cscript%3E', 'x'.repeat(1_000), encodeURIComponent(HOSTILE)])(
    '%s',
    async (token) => {
      const { send, calls } = await makeBench()
      const shown = await send({ url: `/u/${token}`, auth: null })
      const headers = { 'content-type': URLENCODED }
      const posted = await send({ method: 'POST', url: `/u/${token}`, auth: null, body: 'List-Unsubscribe=One-Click', headers })
      expect([shown.statusCode, posted.statusCode, changesOf(calls)]).toEqual([404, 404, []])
      expect(shown.body).toContain('This link does not work')
      expect(shown.body + posted.body).not.toMatch(/<script|onerror=/)
    },
  )
})

/** The page for a link whose sender, address and look are these. */
async function pageOf(subject: object, headers: Record<string, string> = {}): Promise<{ body: string; policy: string }> {
  const known = { sender: 'Example News', address: 'j***@example.com', look: { colour: '', logo: '' }, ...subject }
  const overrides: ServiceOverrides = { unsubscribeLinks: { show: () => Promise.resolve(known) } }
  const response = await (await makeBench(overrides)).send({ url: `/u/${GOOD}`, auth: null, headers })
  return { body: response.body, policy: String(response.headers['content-security-policy']) }
}

describe('the page', () => {
  test('names the sender and the masked address, and has four reasons, one form and no script', async () => {
    const { body, policy } = await pageOf({})
    expect(body).toContain('<bdi>Example News</bdi>')
    expect(body).toContain('<bdi>j***@example.com</bdi>')
    expect(body.match(/type="radio"/g)).toHaveLength(4)
    expect(body.match(/<form/g)).toHaveLength(1)
    expect(body).not.toContain('<script')
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/)
  })

  test('escapes what an account wrote, and takes only a colour and an https logo', async () => {
    const { body, policy } = await pageOf({
      sender: HOSTILE,
      address: HOSTILE,
      look: { colour: '#000}body{background:url(https://evil.example)', logo: 'javascript:alert(1)' },
    })
    expect(body).not.toMatch(/<script|<img|evil\.example|javascript:/)
    expect(policy).not.toContain('img-src')
  })

  test('shows the logo and the colour of the account, and allows nothing but that origin', async () => {
    const { body, policy } = await pageOf({ look: { colour: '#ffcc00', logo: 'https://cdn.example/a"b.png?c=1&d=2' } })
    expect(body).toContain('<img src="https://cdn.example/a&quot;b.png?c=1&amp;d=2" alt="">')
    expect(body).toContain('color:#000;background:#ffcc00')
    expect(policy).toContain('img-src https://cdn.example;')
  })

  test.each([
    ['#000000', '#fff'],
    ['#ffffff', '#000'],
    ['#14507a', '#fff'],
    ['#00ff00', '#000'],
  ])('the text on a button of %s is %s', async (colour, ink) => {
    expect((await pageOf({ look: { colour, logo: '' } })).body).toContain(`color:${ink};background:${colour}`)
  })

  test('leaves out what is not known any more', async () => {
    expect((await pageOf({ sender: null, address: null })).body).not.toContain('<dl>')
  })

  test('the confirmation of the form offers to undo, that of one click does not', async () => {
    const { send } = await makeBench()
    const post = async (body: string): Promise<string> =>
      (await send({ method: 'POST', url: `/u/${GOOD}`, auth: null, body, headers: { 'content-type': URLENCODED } })).body
    expect(await post('action=unsubscribe&reason=0')).toContain('name="permit" value="a.1.0.mac"')
    expect(await post('List-Unsubscribe=One-Click')).not.toContain('permit')
  })

  test('an undo that is refused says so', async () => {
    const { send } = await makeBench()
    const body = 'action=undo&permit=forged'
    const response = await send({ method: 'POST', url: `/u/${GOOD}`, auth: null, body, headers: { 'content-type': URLENCODED } })
    expect([response.statusCode, response.body.includes('This cannot be undone any more.')]).toEqual([409, true])
  })

  test('a store that does not answer gives a page to try again, without details', async () => {
    const { send } = await makeBench({ unsubscribeLinks: { show: () => Promise.reject(new Fault('store_busy', 'postgres at 10.0.0.7')) } })
    const response = await send({ url: `/u/${GOOD}`, auth: null })
    expect([response.statusCode, response.headers['retry-after'], response.body.includes('10.0.0.7')]).toEqual([503, '60', false])
  })
})
