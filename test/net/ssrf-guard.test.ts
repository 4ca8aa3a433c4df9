/**
 * ssrf-guard.test - no spelling of a private address passes, neither in the URL nor by DNS
 */
import { describe, expect, test } from 'vitest'
import type { DnsLookup } from '../../src/net/dns.ts'
import { createSsrfGuard, type ResolveHost } from '../../src/net/ssrf-guard.ts'

const names: Readonly<Record<string, readonly string[]>> = {
  'good.example': ['93.184.215.14'],
  'six.example': ['2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
  'private.example': ['10.0.0.5'],
  'mixed.example': ['93.184.215.14', '169.254.169.254'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'empty.example': [],
}
const resolve: ResolveHost = (host) => {
  const found = names[host]
  if (found === undefined) return Promise.reject(new Error('ENOTFOUND'))
  return Promise.resolve(found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
}
const guard = createSsrfGuard({ allowPrivate: false, allowHosts: [], resolve })

const CASES = [
  // URL                                             passes
  ['https://good.example/hook', true],
  ['http://good.example:8080/hook?x=1', true],
  ['https://six.example/', true],
  ['https://93.184.215.14/', true],
  ['https://GOOD.example./', true],
  ['https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/', true],
  ['https://private.example/', false],
  ['https://mixed.example/', false],
  ['https://mapped.example/', false],
  ['https://empty.example/', false],
  ['https://nowhere.example/', false],
  ['ftp://good.example/', false],
  ['file:///etc/passwd', false],
  ['gopher://good.example/', false],
  ['https://user:secret@good.example/', false],
  ['https://user@good.example/', false],
  ['good.example/hook', false],
  ['', false],
  [`https://good.example/${'x'.repeat(2_000)}`, false],
  ['http://127.0.0.1/', false],
  ['http://127.1/', false],
  ['http://2130706433/', false],
  ['http://0x7f.1/', false],
  ['http://0x7f000001/', false],
  ['http://0177.0.0.1/', false],
  ['http://127.0.0.1./', false],
  ['http://１２７.0.0.1/', false],
  ['http://127。0。0。1/', false],
  ['http://0/', false],
  ['http://0.0.0.0/', false],
  ['http://10.1.2.3/', false],
  ['http://172.16.0.1/', false],
  ['http://192.168.1.1/', false],
  ['http://100.64.0.1/', false],
  ['http://169.254.169.254/latest/meta-data/', false],
  ['http://192.0.2.1/', false],
  ['http://198.18.0.1/', false],
  ['http://224.0.0.1/', false],
  ['http://240.0.0.1/', false],
  ['http://255.255.255.255/', false],
  ['http://[::1]/', false],
  ['http://[::]/', false],
  ['http://[::ffff:127.0.0.1]/', false],
  ['http://[::ffff:7f00:1]/', false],
  ['http://[::127.0.0.1]/', false],
  ['http://[fc00::1]/', false],
  ['http://[fd12:3456::1]/', false],
  ['http://[fe80::1]/', false],
  ['http://[ff02::1]/', false],
  ['http://[64:ff9b::7f00:1]/', false],
  ['http://[2002:7f00:1::]/', false],
  ['http://[2001:db8::1]/', false],
  ['http://localhost/', false],
  ['http://LOCALHOST./', false],
  ['http://x.localhost/', false],
  ['http://metadata.google.internal/', false],
  ['http://printer.local/', false],
] as const

test.each(CASES)('%s passes: %s', async (url, passes) => {
  expect(
    await guard.checkUrl(url).then(
      () => true,
      () => false,
    ),
  ).toBe(passes)
})

test('allowPrivate allows every address, allowHosts only its hosts', async () => {
  const open = createSsrfGuard({ allowPrivate: true, allowHosts: [], resolve })
  await expect(open.checkUrl('http://127.0.0.1:9/')).resolves.toBeInstanceOf(URL)
  const listed = createSsrfGuard({ allowPrivate: false, allowHosts: ['private.example', '10.0.0.9', '[::1]'], resolve })
  for (const url of ['http://private.example/', 'http://10.0.0.9/', 'http://[::1]:8080/'])
    await expect(listed.checkUrl(url)).resolves.toBeInstanceOf(URL)
  await expect(listed.checkUrl('http://10.0.0.5/')).rejects.toMatchObject({ code: 'bad_request' })
})

test('the look-up for sockets returns no private address, with and without `all`', async () => {
  const ask = (host: string, all: boolean) =>
    new Promise((resolvePromise) => {
      guard.lookup(host, { all }, (error, found, family) => resolvePromise(error === null ? [found, family] : error.message))
    })
  expect(await ask('good.example', false)).toEqual(['93.184.215.14', 4])
  expect(await ask('good.example', true)).toEqual([[{ address: '93.184.215.14', family: 4 }], undefined])
  expect(await ask('mixed.example', true)).toMatch(/not public/)
  expect(await ask('nowhere.example', false)).toBe('ENOTFOUND')
})

describe('the addresses of public hosts come from DNS, whose queries end', () => {
  const codeOf = (code: string): Error => Object.assign(new Error(code), { code })
  /** Answers A and AAAA as the tables say; a host that is in none never gets an answer. */
  const lookUpIn =
    (records: Readonly<Record<string, readonly string[]>>, signals: AbortSignal[] = []): DnsLookup =>
    (name, type, signal) => {
      if (signal !== undefined) signals.push(signal)
      const found = records[`${type} ${name}`]
      if (found !== undefined) return Promise.resolve([...found])
      if (name !== 'silent.example') return Promise.reject(codeOf('ENOTFOUND'))
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(codeOf('ECANCELLED')))
      })
    }
  const check = (records: Readonly<Record<string, readonly string[]>>, url: string): Promise<URL> =>
    createSsrfGuard({ allowPrivate: false, allowHosts: [], lookUp: lookUpIn(records) }).checkUrl(url)

  test.each([
    ['one family is enough', { 'A good.example': ['93.184.215.14'] }, true],
    ['both are judged', { 'A good.example': ['93.184.215.14'], 'AAAA good.example': ['::ffff:10.0.0.1'] }, false],
    ['a private address is refused', { 'A good.example': ['192.168.0.1'] }, false],
    ['a name without records is refused', {}, false],
  ])('%s', async (_what, records, passes) => {
    const passed = await check(records, 'https://good.example/').then(
      () => true,
      () => false,
    )
    expect(passed).toBe(passes)
  })

  test('a host whose servers never answer is refused, and its queries are aborted', async () => {
    const signals: AbortSignal[] = []
    const silent = createSsrfGuard({ allowPrivate: false, allowHosts: [], lookUp: lookUpIn({}, signals) })
    await expect(silent.checkUrl('https://silent.example/')).rejects.toMatchObject({ code: 'bad_request' })
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })

  test('a host that the operator allows is looked up by the system, which knows local names', async () => {
    const signals: AbortSignal[] = []
    const local = createSsrfGuard({ allowPrivate: false, allowHosts: ['localhost'], lookUp: lookUpIn({}, signals) })
    expect((await local.checkUrl('http://localhost/')).hostname).toBe('localhost')
    expect(signals).toEqual([])
  })
})
